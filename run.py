"""isoscale on the command line: `python run.py --help`."""

import gc

from app.cli import leave, main

if __name__ == "__main__":
    # torch's import makes 350,000 objects that stay: looking through them, again and again, takes a fifth of its time.
    # A training step leaves no cycles of tensors behind, so that a later look costs no memory.
    gc.set_threshold(50_000)
    leave(main())
