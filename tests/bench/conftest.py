"""The program as a user has it, for the `bench` commands."""

from cli.conftest import call

__all__ = ["call"]
