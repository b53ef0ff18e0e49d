"""isoscale on the command line: `python run.py --help`."""

from app.__main__ import run

if __name__ == "__main__":
    run()
