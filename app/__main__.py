"""The command line as a module, for child processes and for an installed package: `python -m PACKAGE --help`."""

import gc

from .cli import leave, main

if __name__ == "__main__":
    gc.set_threshold(50_000)  # as in run.py, which says why
    leave(main())
