"""The program as a user has it, for the `bench` commands, and the benchmarks as a developer has them."""

import shlex
import sys
from importlib import import_module

import pytest
from cli.conftest import Ended, call

from benchmarks import command

__all__ = ["call"]


@pytest.fixture
def measure(capsys, monkeypatch, work):
    """Runs `python -m benchmarks.KIND ...` in this process, in an empty folder."""

    def measure(line):
        kind, *arguments = shlex.split(line)
        module = import_module(f"benchmarks.{kind}")
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", [module.__file__, *arguments])
        return Ended(command.run(getattr(module, kind)), *capsys.readouterr())

    return measure
