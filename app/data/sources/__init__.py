"""Datasets as they are published: the Hub, folders, files of fields and signals, and bundled digits."""
