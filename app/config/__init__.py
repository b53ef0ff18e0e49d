"""What decides a run's result: the configuration, how a command becomes one, and its checks."""
