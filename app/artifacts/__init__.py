"""What a run leaves behind: its files, its weights and state, its card, and their way to the Hub and back."""
