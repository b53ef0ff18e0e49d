"""A run on the Hub: its branch and lease, uploads and downloads, model cards."""
