"""The record of a run, `<stem>.json`: its parts with their types, its one reader and its one writer."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Generic, Literal

import msgspec
from msgspec import UNSET, UnsetType

from ..config.run import RunConfig
from ..errors import Damaged, InputError, UnknownRevision
from ..system.durable import seal, text, write_text
from .parts import (
    Best,
    Code,
    Count,
    DataRecord,
    Errors,
    Execution,
    Failure,
    Init,
    KeptWeights,
    Number,
    Parameters,
    Part,
    Place,
    Rates,
    Results,
    Schedule,
    Seconds,
    Test,
)  # fmt: skip

FORMAT = 1
Status = Literal["missing", "running", "stopped", "done", "failed"]  # missing: the run has no record
_FIX = "Download the run again, or retrain it with --fresh"
_NEEDED = {"run_id": str, "status": str, "config": dict}  # of a record of any format
_ONCE_DONE = ("best", "seconds", "results", "files")


class Record(Part, Generic[Test], kw_only=True):
    """A run: its identity, how it was computed, and how it ended. Fields are in the order of the file."""

    format: int | None = None  # None unless the record was read from a file
    run_id: str
    status: Literal["running", "stopped", "done", "failed"]
    failure: Failure | None = None
    failures: Count | None = None  # how often the run failed; None: never, or written by an earlier version
    model: str
    size: str
    dataset: str
    started: str = ""
    command: str
    tag: str | None = None  # the last value of --tag
    config: dict[str, Any]  # as it was written; `Run.config` fills in fields of later versions
    code: Code | None = None  # None: a model of isoscale or of timm
    init: Init | None = None  # None: random weights, or the published ones of a model
    parameters: Parameters
    flops_per_image: Number | None = None
    tokens: int
    data: DataRecord
    versions: dict[str, str]
    commit: str | UnsetType | None = UNSET
    places: Annotated[list[Place], msgspec.Meta(min_length=1)]
    execution: Execution
    schedule: Schedule
    best: Best | None = None
    kept: list[KeptWeights] | None = None  # by --keep-every, in the order of their epochs; None: none
    lambdas: list[Number] | None = None  # of each layer, in the final weights; None: of a model without them
    seconds: Seconds | None = None
    peak_bytes: int | None = None
    energy_kwh: Number | None = None  # of all places that measured it
    dollars: Number | None = None  # of all places whose price was stated
    results: Results[Test] | None = None
    finished: str = ""
    files: dict[str, str] | None = None  # sha256 of the finished files, by their name in RunFiles
    unknown: dict[str, Any] = msgspec.field(default_factory=dict, name="(unknown)")  # keys of a later version

    def __post_init__(self) -> None:
        if (self.status == "failed") != (self.failure is not None):
            raise ValueError("a record has a failure if, and only if, its status is failed")

    @property
    def done(self) -> bool:
        """Whether the run was trained to its end."""
        return self.status == "done"

    @property
    def tested(self) -> bool:
        """Whether there is a test of the final weights."""
        return self.results is not None and self.results.test is not None

    @property
    def test(self) -> Test:
        """The test of the final weights of a run that was tested."""
        assert self.results is not None and self.results.test is not None, "ask `tested` first"
        return self.results.test

    @property
    def stored_execution(self) -> dict[str, Any]:
        """The execution as it is in the file, including keys of a later version."""
        return dict(plain(self)["execution"])


_RECORDS: dict[str, Any] = {"classification": Record[Rates], "regression": Record[Errors]}


def plain(record: Part) -> dict[str, Any]:
    """Return a record, or a part of one, as JSON values in the order of the file."""
    values = msgspec.to_builtins(record)
    return _joined(values, values.pop("(unknown)", {}))


def write(path: Path, record: Record) -> None:
    """Write `<stem>.json`, indented, with lists of numbers on one line and a seal: a digest of the contents."""
    sealed = {"format": FORMAT} | plain(record)
    text = json.dumps(sealed | {"seal": seal(sealed)}, indent=2, allow_nan=False)
    flat = re.compile(r"\[\n\s+((?:[-\d.e+]+,\n\s+)*[-\d.e+]+)\n\s+\]")
    write_text(path, flat.sub(lambda found: "[" + re.sub(r"\s+", " ", found[1]) + "]", text) + "\n")


def read(path: Path) -> Record:
    """Return a run's record.

    Raises InputError, with the file and what to do, unless it is complete and unchanged.
    """
    record, sealed = opened(path)
    if not sealed:
        raise _damaged(path, "it is not as it was written")
    return record


def opened(path: Path) -> tuple[Record, bool]:
    """Return a run's record, and whether its seal is that of its contents. Raise InputError unless it is complete."""
    raw = _object(path)
    given = raw.pop("seal", None)
    try:
        config = RunConfig.from_json(raw["config"])
    except InputError as error:
        if isinstance(error, UnknownRevision) and given == seal(raw):
            raise UnknownRevision(f"the run record {path}: {error}") from error
        raise _damaged(path, str(error)) from error
    record = _typed(path, raw, config)
    _require_own(path, record, config)
    if sealed := given == seal(raw):
        record.unknown = _unknown(raw, plain(record))
    return record, sealed


def _object(path: Path) -> dict[str, Any]:
    """Return the JSON object of a record of this format. Raise InputError for anything else."""
    try:
        raw = json.loads(text(path))
    except FileNotFoundError:
        raise InputError(f"the run record {path} does not exist. Give the path of a run record") from None
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(raw, dict) or not all(isinstance(raw.get(name), kind) for name, kind in _NEEDED.items()):
        raise InputError(f"{path} is not a run record. {_FIX}")
    if raw.get("format") != FORMAT:
        raise InputError(f"{path} has format {raw.get('format')}, and this version reads {FORMAT}. {_FIX}")
    return raw


def _damaged(path: Path, what: str) -> Damaged:
    return Damaged(f"the run record {path} is damaged ({what}). {_FIX}")


def _typed(path: Path, raw: dict[str, Any], config: RunConfig) -> Record:
    """Return the record's values with their types. Raise Damaged for one that is missing or of another type."""
    try:
        record: Record = msgspec.convert(raw, _RECORDS[config.task])
    except UnicodeEncodeError as error:  # half of a surrogate pair
        raise _damaged(path, str(error)) from error
    except msgspec.ValidationError as error:
        found = re.search(r"missing required field `(\w+)`(?: - at `\$\.(\S+)`)?", str(error))
        lacks = ".".join(filter(None, (found[2], found[1]))) if found else ""
        raise _damaged(path, f"it has no {lacks}, which this version writes" if lacks else str(error)) from error
    if record.done and (missing := [name for name in _ONCE_DONE if getattr(record, name) is None]):
        raise _damaged(path, f"it has no {missing[0]}, which this version writes")
    return record


def _require_own(path: Path, record: Record, config: RunConfig) -> None:
    """Raise InputError unless the names of record and file agree with the config in the record."""
    for name in ("run_id", "model", "size", "dataset"):
        if (given := getattr(record, name)) != (own := getattr(config, name)):
            raise _damaged(path, f"{name} is {given}, but {own} in its config")
    if config.task == "classification" and (count := len(record.data.class_names)) != config.classes:
        raise _damaged(path, f"it names {count:,} classes, but its config has {config.classes:,}")
    if _composed(path.stem) != _composed(config.stem):
        raise InputError(
            f"{path} is the record of {config.stem} under another name. Rename it to {config.stem}.json, or remove "
            "it if that file exists already"
        )


def _composed(name: str) -> str:
    """Return a name for comparison, since some file systems store an umlaut as two characters."""
    return unicodedata.normalize("NFC", name)


def _unknown(raw: Any, known: Any) -> dict[Any, Any]:
    """Return the parts of a JSON value that are not in `known`, under the same keys, or by position in a list."""
    found: dict[Any, Any] = {}
    if raw == known:
        return found
    for key, value in raw.items() if isinstance(raw, dict) else enumerate(raw):
        if isinstance(known, dict) and key not in known:
            found[key] = value
        elif isinstance(value, dict | list) and (inner := _unknown(value, known[key])):
            found[key] = inner
    return found


def _joined(values: Any, unknown: Mapping[Any, Any]) -> Any:
    """Return the values with the unknown parts put back."""
    for key, value in unknown.items():
        inside = key in values if isinstance(values, dict) else key < len(values)
        if inside and isinstance(value, dict):
            _joined(values[key], value)
        elif isinstance(values, dict):
            values[key] = value
    return values
