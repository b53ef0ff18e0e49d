"""Measured speed on this machine, side by side with what others use: every kind is a file with one `compare`."""
