"""The cache: one file of inputs per split, read once from the source."""
