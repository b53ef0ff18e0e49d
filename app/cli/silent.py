"""A screen for Python programs: nothing is printed, and what would be printed is logged."""

from __future__ import annotations

import logging

from ..system.printable import printable
from .screen import Screen

LOGGER = "isoscale"


class Silent(Screen):
    """Sends notes to the logger `isoscale` at the level INFO, which prints nothing by default.

    The program that calls isoscale keeps its stdout.
    """

    _takes_stdout = False

    def __init__(self) -> None:
        super().__init__(quiet=True)

    def say(self, text: str) -> None:
        """Log a line."""
        logging.getLogger(LOGGER).info("%s", printable(text))
