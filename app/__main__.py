"""isoscale on the command line: `isoscale`, `python -m isoscale`, or `python run.py` in a checkout."""

from __future__ import annotations

import gc
import os
import sys
from typing import NoReturn

from .errors import ON_WINDOWS


def run() -> NoReturn:
    """Run the command of this process's arguments, and end the process with its exit code."""
    if os.name == "nt":
        sys.exit(ON_WINDOWS)
    gc.set_threshold(50_000)  # torch's import makes 350,000 objects that stay; looks at them took a fifth of its time
    from .system import output

    output.last()
    from .cli import leave, main

    leave(main())


if __name__ == "__main__":
    run()
