"""Labels that replace those of a dataset: wrong ones by a rule, and those of a file."""
