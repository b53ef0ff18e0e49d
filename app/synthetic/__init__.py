"""Generated data to develop on where the real files are not to be had; called synthetic in every file they make."""
