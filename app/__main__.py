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
    gc.set_threshold(50_000)  # torch's import makes 350,000 permanent objects; checking them took a fifth of its time
    from .system import output, signals

    output.last()
    with signals.quiet_interrupt():
        from .cli import leave, main
    with signals.ending():
        code = main()
        signals.leave_undisturbed()
        leave(code)


if __name__ == "__main__":
    run()
