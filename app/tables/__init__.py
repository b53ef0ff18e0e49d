"""The tables that the command line, the docs and the tests all read; standard library only."""
