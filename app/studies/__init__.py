"""Studies: a table of runs, its cells and their states, and what completes them."""
