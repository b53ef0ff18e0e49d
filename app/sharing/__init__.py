"""A run and the Hub: branch and lease, uploads and downloads, model cards."""
