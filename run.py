"""isoscale on the command line: `python run.py --help`."""

from app.cli import leave, main

if __name__ == "__main__":
    leave(main())
