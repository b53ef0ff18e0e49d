"""TensorBoard: event files in the run's folder, written without torch and without TensorFlow."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from .client import About


def destination(_about: About) -> str:
    """Return where the curves are sent: the run's event files."""
    return "event files"


def is_gone(about: About) -> bool:
    """Return whether the run has no event files."""
    return not any(about.folder.glob("events.out.tfevents.*"))


class TensorBoard:
    """A writer of one more event file.

    Steps after `after` that an earlier file may have are purged by its readers: the file begins with the start of a
    session at the next step, as that of a `SummaryWriter(purge_step=...)`.
    """

    def __init__(self, about: About, mark: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self.after = 0 if is_gone(about) else mark
        self._event, self._summary = Event, Summary
        self._writer = EventFileWriter(str(about.folder))
        start = SessionLog(status=SessionLog.START)
        self._writer.add_event(Event(wall_time=time.time(), step=self.after + 1, session_log=start))
        if not self.after:
            self._add(0, [_text("config", about)])

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Write the values of a step in float32."""
        self._add(step, [self._summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])

    def confirm(self) -> bool:
        """Write everything to the file."""
        self._writer.flush()
        return True

    def finish(self) -> None:
        """Close the file."""
        self._writer.close()

    def _add(self, step: int, values: list[Any]) -> None:
        event = self._event(wall_time=time.time(), step=step, summary=self._summary(value=values))
        self._writer.add_event(event)


def _text(tag: str, about: About) -> Any:
    """Return a value that the page "Text" shows: the configuration as JSON."""
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

    text = f"{about.title}\n\n```json\n{json.dumps(dict(about.config), indent=1)}\n```"
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    tensor = TensorProto(dtype="DT_STRING", string_val=[text.encode()], tensor_shape=shape)
    shown_by = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
    return Summary.Value(tag=tag, metadata=shown_by, tensor=tensor)
