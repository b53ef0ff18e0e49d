"""Kills at the file operations of a run: a shim counts them and ends the process at one of them."""
