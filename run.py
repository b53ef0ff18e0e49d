"""isoscale on the command line: `python run.py --help`."""

import gc

from app.cli import leave, main

if __name__ == "__main__":
    gc.set_threshold(50_000)  # torch's import makes 350,000 objects that stay; looks at them took a fifth of its time
    leave(main())
