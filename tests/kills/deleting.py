"""Kills a command that deletes before each of its file operations, and gives another one: what then is there.

`python -m kills.deleting TEMPLATE FOLDER NEXT COMMAND...` copies TEMPLATE into FOLDER for each try and runs the command
there in a fork, in which Python's audit events stand for file operations; then it runs NEXT, the words of a command.
It prints a JSON list with an object for each try: what is there after the kill, how NEXT ended, what is there then.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

EVENTS = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "shutil.rmtree", "fcntl.flock", "open")


def run(place, words, *, fatal=0):
    """How a command ends in a fork: its exit code, or the signal that killed it below 0."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 70
    with suppress(BaseException):
        os.chdir(place)
        os.environ["ISOSCALE_CACHE"] = str(place / "cache")
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        if fatal:
            sys.addaudithook(killer(str(place), fatal))
        code = called(words)
    os._exit(code)


def killer(place, fatal):
    """A hook that kills this process before a file operation of that number."""
    left = [fatal]

    def hook(event, arguments):
        if event not in EVENTS or (event == "open" and not is_written(arguments)):
            return
        named = str(arguments[0]) if arguments and isinstance(arguments[0], str | os.PathLike) else ""
        if event == "fcntl.flock" or not named.startswith("/") or named.startswith(place):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

    return hook


def is_written(arguments):
    return len(arguments) > 2 and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)


def called(words):
    from app.cli import main

    sys.argv = ["run.py", *words]
    return main()


def there(place):
    """Each file and link below a folder, with a file's bytes as text; locks and the index of runs are left out."""
    found = {}
    for path in sorted(place.rglob("*")):
        name = str(path.relative_to(place))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file() and not path.name.endswith(".lock") and path.name != ".index.json":
            found[name] = path.read_bytes().decode("latin-1")
    return found


def main():
    """Tries every operation until the command ends before it comes to it."""
    template, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    following, words = shlex.split(sys.argv[3]), sys.argv[4:]
    tries = []
    for number in range(1, 500):
        place = folder / str(number)
        shutil.copytree(template, place, symlinks=True)
        ended = run(place, words, fatal=number)
        after = there(place)
        again = None if ended == 0 else run(place, following)
        tries.append({"ended": ended, "after": after, "again": again, "then": there(place)})
        shutil.rmtree(place)
        if ended == 0:
            break
    print(json.dumps(tries))


if __name__ == "__main__":
    main()
