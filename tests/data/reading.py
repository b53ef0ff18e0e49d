"""Datasets as a command reads them, in this process: what it asked for, what it was told, what lies in the cache."""

import msgspec
import pytest

from app import data
from app.config.run import resolve
from app.errors import InputError
from app.place import choose

from .pictures import TINY


class Reading:
    """One dataset asked for: config, cache and what was said on the way."""

    def __init__(self, dataset, *, version=None, **request):
        self.said, self.seen = [], []
        request = TINY | request | {"dataset": str(dataset)}
        if dataset == "digits":
            request = {name: value for name, value in request.items() if name not in TINY}
        self.facts = data.facts(request, self.said.append, self.progress)
        self.config = resolve(request, self.facts)
        path = request["dataset"] if self.config.fingerprint else None
        self.ask = data.ask_of(self.config.to_json(), path=path)
        self.cached = data.prepare(self.ask, self.said.append, self.progress, version=version)
        self.manifest = msgspec.to_builtins(self.cached.manifest)  # as the file has it

    def progress(self, *seen):
        self.seen.append(seen)

    @property
    def was_read(self):
        """Whether rows came from the source rather than from the cache."""
        return bool(self.seen)

    def splits(self):
        return data.splits(self.config, choose(device="cpu"), self.cached, self.said.append)


def refused(folder, **request):
    """The sentence that ends a request for that folder, which stands in for its path."""
    with pytest.raises(InputError) as refusal:
        Reading(folder, **request).splits()
    assert "\n" not in str(refusal.value)
    return str(refusal.value).replace(str(folder), "FOLDER")
