"""What a tracker has of a run, read from its own files: step -> values, and how often each step is there."""

import json
import sqlite3
import struct
from pathlib import Path

BLOCK, HEAD = 32768, 7


def trackio(folder: Path):
    """The steps and values in Trackio's database."""
    rows = sqlite3.connect(folder / "trackio" / "isoscale.db").execute("select step, metrics from metrics order by id")
    return [(step, json.loads(values)) for step, values in rows]


def tensorboard(folder: Path):
    """The steps and values that TensorBoard shows, after its purges."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    [events] = folder.glob("checkpoints/*/*.tensorboard")
    shown = EventAccumulator(str(events), size_guidance={"scalars": 0}).Reload()
    found = {}
    for tag in shown.Tags()["scalars"]:
        for each in shown.Scalars(tag):
            assert tag not in found.setdefault(each.step, {}), f"{tag} is there twice at step {each.step}"
            found[each.step][tag] = each.value
    return sorted(found.items())


def wandb(folder: Path):
    """The steps and values in the files of all offline processes, in the order in which they would be synced."""
    from wandb.proto.wandb_internal_pb2 import Record

    found = []
    for path in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        for data in records(path.read_bytes()):
            record = Record()
            record.ParseFromString(data)
            if record.WhichOneof("record_type") == "history":
                values = {each.key or "/".join(each.nested_key): json.loads(each.value_json)
                          for each in record.history.item}  # fmt: skip
                found.append((record.history.step.num, {name: v for name, v in values.items() if name[0] != "_"}))
    return found


def records(data: bytes):
    """The records of a LevelDB log: blocks of 32 KiB with a checksum, a length and a kind before each part."""
    place, parts = HEAD, b""
    while place + HEAD <= len(data):
        if BLOCK - place % BLOCK < HEAD:
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, place)
        parts += data[place + HEAD : place + HEAD + length]
        place += HEAD + length
        if kind in (1, 4):  # complete, or the last part
            yield parts
            parts = b""
