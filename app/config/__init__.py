"""The configuration that decides a run's result, its checks, and how a command is resolved to it."""
