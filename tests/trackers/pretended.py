"""A package in the place of Trackio, for processes: it writes a line for each step, or hangs, or fails."""

from pathlib import Path

PACKAGE = """
import json, os, time
SECONDS, FAILS = float(os.environ.get("PRETENDED_SECONDS", "0")), os.environ.get("PRETENDED_FAILS")
PATH = os.environ["PRETENDED_PATH"]

class Run:
    def log(self, values, step):
        time.sleep(SECONDS)
        if FAILS:
            raise ConnectionError("no route to the service")
        with open(PATH, "a") as file:
            file.write(json.dumps([step, values]) + "\\n")

    def finish(self):
        time.sleep(SECONDS)

def init(**given):
    time.sleep(SECONDS)
    return Run()
"""
STORAGE = """
import json, os

class SQLiteStorage:
    @staticmethod
    def get_max_step_for_run(project, run):
        try:
            with open(os.environ["PRETENDED_PATH"]) as file:
                return max(json.loads(line)[0] for line in file)
        except FileNotFoundError:
            return None
"""


def write(folder: Path) -> dict[str, str]:
    """Write the package, and return the variables for a process that finds it."""
    (folder / "trackio").mkdir(parents=True)
    (folder / "trackio" / "__init__.py").write_text(PACKAGE)
    (folder / "trackio" / "sqlite_storage.py").write_text(STORAGE)
    return {"PYTHONPATH": str(folder), "PRETENDED_PATH": str(folder / "sent.jsonl")}
