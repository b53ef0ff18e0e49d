"""Weights of timm's models from the Hub, as safetensors only, or from the Hub's cache if they are there already."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..errors import HubUnavailable, InputError
from ..system.hub import api, call
from ..system.repositories import listing

_FILE = "model.safetensors"
_SAFE = {"open_clip_pytorch_model.bin": "open_clip_model.safetensors"}  # other files of the repository


class Source(NamedTuple):
    """A file of weights on the Hub."""

    repository: str
    file: str
    revision: str

    def __str__(self) -> str:
        return f"hf://{self.repository}@{self.revision}/{self.file}"


def weights(name: str) -> Path:
    """Return the file with the weights of timm's model of a name, including its tag if it has one.

    Raises InputError if timm has none or the Hub has none as safetensors, and HubUnavailable if the Hub cannot be
    reached.
    """
    import huggingface_hub

    repository, file, revision = source(name)
    cached = huggingface_hub.try_to_load_from_cache(repository, file, revision=revision)
    return Path(cached) if isinstance(cached, str) else _download(name, repository, file, revision)


def source(name: str) -> Source:
    """Return where the Hub has the weights of timm's model of a name. Raises InputError if it has none."""
    import timm

    if not timm.models.is_model_pretrained(name):
        raise InputError(f"timm has no weights for {name}. Omit --pretrained")
    known = timm.models.get_pretrained_cfg(name)
    if known is None or not known.hf_hub_id:
        raise InputError(f"the weights of timm/{name} are not on the Hub. Omit --pretrained")
    repository, _, tag = known.hf_hub_id.partition("@")
    given, revision = known.hf_hub_filename or _FILE, tag or "main"
    file = given if given.endswith(".safetensors") else _SAFE.get(given, _FILE)
    return Source(repository, file, revision)


def classes(name: str) -> int:
    """Return the number of classes of the published weights."""
    import timm

    known = timm.models.get_pretrained_cfg(name)
    return int(known.num_classes) if known else 0


def _download(name: str, repository: str, file: str, revision: str) -> Path:
    import huggingface_hub

    try:
        files = listing(repository, revision)
        if file not in files:
            raise InputError(f"{repository} has no {file}, and pickled files are unsupported. Omit --pretrained")
        api()  # sets the deadlines of the download
        download = call(
            f"the weights of timm/{name}",
            lambda: huggingface_hub.hf_hub_download(repository, file, revision=revision),
            size=files[file].size or 0,
        )
    except HubUnavailable as error:
        raise HubUnavailable(f"{error}. Without --pretrained, timm/{name} starts from random weights") from error
    return Path(download)
