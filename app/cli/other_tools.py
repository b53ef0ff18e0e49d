"""Words of other tools (timm, Lightning, HF Trainer, ultralytics): what to type here instead. None of them is accepted.

Options have a table of their own, which a study's columns use too. A command has one sentence here.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from ..tables.other_tools import OPTIONS
from . import screen

_COMMANDS = (
    ("resume continue restart", "Run the same `train` command again: it resumes by itself"),
    ("list ls show status info history ps",
     "`run.py runs` lists runs, `run.py models` lists models and `run.py datasets` lists datasets"),
    ("test eval val validate score metrics", "`run.py evaluate RUN` tests a finished run"),
    ("fit run start finetune fine-tune pretrain experiment", "Use `run.py train`"),
    ("infer inference classify detect", "`run.py predict RUN FOLDER` classifies images"),
    ("diff stats significance",
     "`run.py compare` reports which of your models is better, and `run.py plan --like MODEL` compares two budgets"),
    ("version", "Use `run.py --version`"),
    ("help man commands", "Use `run.py --help`, or `run.py COMMAND --help`"),
    ("init setup config configure new", "Nothing is needed: start with `run.py train`"),
    ("login auth token logout", "Set HF_TOKEN and HF_REPOSITORY in .env; `run.py doctor` checks them"),
    ("push publish save export-hub", "Use `run.py upload`, or `--upload` with `train`"),
    ("pull get fetch clone", "Use `run.py download`"),
    ("check env diagnose gpus devices", "`run.py doctor` checks this machine"),
    ("delete del rm remove clean prune purge clear",
     "`run.py runs rm` deletes runs, and `run.py cache clear` deletes cached datasets"),
    ("dataset prepare preprocess inspect", "`run.py datasets ./photos` shows how data is read"),
    ("model zoo summary params flops", "`run.py models` lists shapes, parameters and FLOPs"),
    ("draw figure figures graph visualize chart", "Use `run.py plot`"),
    ("benchmark speed profile time", "Use `run.py bench`"),
    ("estimate cost dry-run", "Use `run.py plan` with the options of `train`"),
    ("rent cloud submit slurm deploy", "`run.py launch` prints the command for a rented GPU"),
    ("tune search", "Use `run.py sweep FILE.yaml`, with a W&B sweep file"),
    ("convert onnx save-model",
     "`run.py export RUN` writes ONNX and other formats, and `run.py import FILE` reads the CIFAR zoo's checkpoints"),
)  # fmt: skip

COMMANDS = {name: says for names, says in _COMMANDS for name in names.split()}

_WITHIN = {  # a group -> the same for its commands
    "runs": (
        ("list ls all ps status", "`run.py runs` lists runs"),
        ("delete del remove clean prune purge clear", "Use `run.py runs rm`"),
        ("info inspect describe cat get", "Use `run.py runs show`"),
        ("where which find", "Use `run.py runs path`, or `run.py runs --where seed=0` to select runs"),
    ),
    "cache": (
        ("list ls info status size du path dir", "`run.py cache` shows the cache"),
        ("delete del rm remove clean prune purge empty reset", "Use `run.py cache clear`"),
    ),
}  # fmt: skip
_ID = re.compile(r"[0-9a-f]{3,8}")
_AGREED = "-f --force -r -rf -fr --recursive --no-input --assume-yes --no-confirm"  # to what deletes
_TRIED = "-n --dry-run --dryrun --check --simulate"


def command(name: str) -> str | None:
    """Return what to type instead of a command that is unknown here, or None."""
    says = COMMANDS.get(name.lower())
    return screen.named(says) if says else None


def within(group: str, name: str) -> str | None:
    """Return what to type instead of a command that is unknown in a group, or None."""
    if group == "runs" and _ID.fullmatch(name):
        return screen.named(f"`run.py runs show {name}` shows a run")
    found = (says for names, says in _WITHIN.get(group, ()) if name.lower() in names.split())
    return next(map(screen.named, found), None)


def option(name: str, known: Collection[str], command: str) -> str | None:
    """Return what to type instead of another tool's option, or None; `known` are the options of this command."""
    says = _selecting(name, known) or _deleting(name, known) or _option(name, known, command)
    return screen.named(says) if says else None


def _selecting(name: str, known: Collection[str]) -> str | None:
    """Return how a command that selects runs by their settings takes one of them."""
    if "--where" not in known:
        return None
    from ..config.conditions import SETTINGS

    ours = OPTIONS[name].ours if name in OPTIONS else name
    setting = ours.removeprefix("--").replace("-", "_")
    return f"Write --where {setting}=VALUE" if setting in SETTINGS else None


def _deleting(name: str, known: Collection[str]) -> str | None:
    """Return what a command that deletes has for an option of `rm`."""
    if "--yes" not in known or name not in f"{_AGREED} {_TRIED}".split():
        return None
    if name in _TRIED.split():
        return "Omit it: the command lists what it would delete, and asks"
    return "Use --yes. It deletes without asking"


def _option(name: str, known: Collection[str], command: str) -> str | None:
    row = OPTIONS.get(name)
    if row is None:
        return None
    if not row.ours:
        return row.says
    if row.ours not in known:
        return f"`{command}` has no option for this; `run.py train` has {row.ours}"
    return row.says if row.ours in row.says or row.says.startswith("Omit it") else f"Use {row.ours}. {row.says}"
