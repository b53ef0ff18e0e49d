"""Generated data for development if the real files are unavailable. Every file that it makes is marked as synthetic."""
