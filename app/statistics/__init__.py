"""Statistics of results: numbers in, numbers out. Nothing here knows a run, a file or a metric's name.

`docs/statistics.md` explains the formulas and shows their measured error rates.
"""
