"""The sections of a study's report, each made from its runs and comparisons."""
