"""The cache, which has one file of inputs per split, read once from the source."""
