"""Records as JSON objects, for tests that write what the program would not; `put` seals what it is given."""

import json

from app.artifacts import record
from app.system.durable import seal


def raw(run):
    """The record of a run as JSON values."""
    return record.plain(run.record)


def read(path):
    """The record in a file as JSON values, once the program's reader takes it."""
    return record.plain(record.read(path))


def put(path, values):
    """Writes a record as an earlier or later version may have, or a careful forger."""
    sealed = {"format": record.FORMAT} | {name: value for name, value in values.items() if name != "seal"}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(sealed | {"seal": seal(sealed)}, indent=2))
