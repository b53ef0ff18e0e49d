"""Stops the rented machine from inside it, when its work is done: `python3 -m app.launch.halt vast`.

Both places give a container its own id and a key for it. A stopped machine keeps its disk, and costs its disk.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import NamedTuple

from ..system.printable import printable


class Place(NamedTuple):
    """How a place is asked to stop a machine; `id` and `key` name variables of its containers."""

    method: str
    address: str
    body: dict[str, str]
    id: str
    key: str


PLACES = {
    # https://docs.vast.ai/cli/reference/stop-instance: what its command sends
    "vast": Place(
        "PUT",
        "https://console.vast.ai/api/v0/instances/{id}/",
        {"state": "stopped"},
        "CONTAINER_ID",
        "CONTAINER_API_KEY",
    ),
    # https://docs.runpod.io/api-reference-v2: POST /v2/pods/{id}/action
    "runpod": Place(
        "POST", "https://api.runpod.io/v2/pods/{id}/action", {"action": "stop"}, "RUNPOD_POD_ID", "RUNPOD_API_KEY"
    ),
}
_TRIES, _PAUSE = 5, 20.0  # the second in seconds


def halt(place: Place, environment: Mapping[str, str], pause: float = _PAUSE) -> str | None:
    """Ask the place to stop this machine. Return why that failed, or None. The key is in no text."""
    if missing := [name for name in (place.id, place.key) if not environment.get(name)]:
        return f"{' and '.join(missing)} are not set here"
    request = urllib.request.Request(
        place.address.format(id=environment[place.id]),
        json.dumps(place.body).encode(),
        {"Authorization": f"Bearer {environment[place.key]}", "Content-Type": "application/json"},
        method=place.method,
    )
    why = ""
    for attempt in range(_TRIES):
        try:
            with urllib.request.urlopen(request, timeout=30):
                return None
        except urllib.error.HTTPError as error:
            why = f"{error.code} {error.reason}"
        except OSError as error:
            why = str(error)
        if attempt < _TRIES - 1:
            time.sleep(pause)
    return why


def main(arguments: list[str]) -> int:
    """Return the exit code: 0 if the place was asked, 1 if that failed, 2 for an unknown place."""
    if len(arguments) != 1 or arguments[0] not in PLACES:
        print(f"error: the place is missing or unknown. Give one of: {', '.join(PLACES)}", file=sys.stderr)
        return 2
    why = halt(PLACES[arguments[0]], os.environ)
    if why is not None:
        sentence = f"error: could not stop this machine ({why}). Stop it yourself, or it keeps billing"
        print(printable(sentence), file=sys.stderr)
        return 1
    print("this machine is stopping", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
