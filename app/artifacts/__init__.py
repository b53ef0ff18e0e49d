"""The artifacts of a run: its files, its weights and state, its card, and their upload to and download from the Hub."""
