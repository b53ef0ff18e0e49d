"""The files of a paper from a study's report: a table, results, figures, methods and references."""
