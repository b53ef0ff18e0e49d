"""The tables that the command line, the docs and the tests share. They need only the standard library."""
