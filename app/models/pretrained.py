"""Weights of timm's models from the Hub, as safetensors only, or from the Hub's cache if they are there already."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..errors import HubUnavailable, InputError
from ..system.hub import api, call
from ..system.repositories import head, listing

_FILE = "model.safetensors"
_SAFE = {"open_clip_pytorch_model.bin": "open_clip_model.safetensors"}  # other files of the repository


class Source(NamedTuple):
    """A file of weights on the Hub."""

    repository: str
    file: str
    revision: str

    def __str__(self) -> str:
        return f"hf://{self.repository}@{self.revision}/{self.file}"


def weights(name: str, option: str = "--pretrained") -> Path:
    """Return the file with the weights of timm's model of a name, including its tag if it has one.

    `option` is the one that asked for them, for messages.

    Raises InputError if timm has none or the Hub has none as safetensors, and HubUnavailable if the Hub cannot be
    reached.
    """
    import huggingface_hub

    repository, file, revision = source(name, option)
    cached = huggingface_hub.try_to_load_from_cache(repository, file, revision=revision)
    return Path(cached) if isinstance(cached, str) else _download(name, Source(repository, file, revision), option)


def source(name: str, option: str = "--pretrained") -> Source:
    """Return where the Hub has the weights of timm's model of a name. Raises InputError if it has none."""
    import timm

    if not timm.models.is_model_pretrained(name):
        raise InputError(f"timm has no weights for {name}. Omit {option}")
    known = timm.models.get_pretrained_cfg(name)
    if known is None or not known.hf_hub_id:
        raise InputError(f"the weights of timm/{name} are not on the Hub. Omit {option}")
    repository, _, tag = known.hf_hub_id.partition("@")
    given, revision = known.hf_hub_filename or _FILE, tag or "main"
    file = given if given.endswith(".safetensors") else _SAFE.get(given, _FILE)
    return Source(repository, file, revision)


def of_repository(repository: str, revision: str) -> Path:
    """Return the file with the weights of a model repository, as timm's `hf-hub:` finds it.

    Raises InputError if there is none as safetensors, and HubUnavailable if the Hub cannot be reached and the file is
    not in its cache.
    """
    import huggingface_hub

    try:
        sha = head(repository, revision)
        files = listing(repository, sha)
    except HubUnavailable:
        cached = huggingface_hub.try_to_load_from_cache(repository, _FILE, revision=revision)
        if isinstance(cached, str):
            return Path(cached)
        raise
    if _FILE not in files:
        raise InputError(f"{repository} has no {_FILE}, and pickled files are unsupported. Use another repository")
    return _fetched(f"the weights of {repository}", Source(repository, _FILE, sha), files[_FILE].size or 0)


def classes(name: str) -> int:
    """Return the number of classes of the published weights."""
    import timm

    known = timm.models.get_pretrained_cfg(name)
    return int(known.num_classes) if known else 0


def _download(name: str, source: Source, option: str) -> Path:
    repository, file, revision = source
    try:
        files = listing(repository, revision)
        if file not in files:
            raise InputError(f"{repository} has no {file}, and pickled files are unsupported. Omit {option}")
        return _fetched(f"the weights of timm/{name}", source, files[file].size or 0)
    except HubUnavailable as error:
        whose = f"timm/{name}" if option == "--pretrained" else "the run"
        raise HubUnavailable(f"{error}. Without {option}, {whose} starts from random weights") from error


def _fetched(what: str, source: Source, size: int) -> Path:
    """Return a file of the Hub in the Hub's cache."""
    import huggingface_hub

    repository, file, revision = source
    api()  # sets the deadlines of the download
    return Path(call(what, lambda: huggingface_hub.hf_hub_download(repository, file, revision=revision), size=size))
