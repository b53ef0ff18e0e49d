"""Sweeps: searches over settings as files of W&B describe them, each trial a run."""
