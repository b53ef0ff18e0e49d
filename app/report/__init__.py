"""Figures and tables, drawn from the logs and records of runs, never from prose."""
