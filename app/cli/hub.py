"""`upload` and `download`: copy a run, a folder or a file to the Hub and back; a run as a model of timm's."""

from __future__ import annotations

import re
import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from . import options as o
from .examples import page
from .screen import Screen, result_line

_option = partial(typer.Option, show_default=False)
LocalPath = Annotated[Path, typer.Argument(help="Upload this run, named without an ending, or this folder or file.")]
HubFolder = Annotated[
    str,
    typer.Argument(help="Put it into this folder of HF_REPOSITORY, or into hf://owner/name/folder. With --as-model: "
                   "the repository, as owner/name."),
]  # fmt: skip
Message = Annotated[
    str | None,
    typer.Option("--message", help="Set the message of the commit. Default: Add NAME.", show_default=False),
]
AsModel = Annotated[
    bool,
    _option("--as-model/--no-as-model", metavar="", help="Upload a run, also given by its ID, as a model that timm or "
            "transformers loads, to the top of the repository. Default: off."),
]  # fmt: skip
Form = Annotated[
    str | None,
    _option("--format", metavar="LIBRARY", help="With --as-model: write it for timm or transformers. Default: timm."),
]
Force = Annotated[
    bool,
    _option("--force/--no-force", metavar="", help="With --as-model: replace other files at the top of the repository. "
            "Default: off."),
]  # fmt: skip
_LOADED_BY = {
    "timm": 'timm.create_model("hf-hub:{}", pretrained=True)',
    "transformers": 'AutoModelForImageClassification.from_pretrained("{}")',
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(**page("upload"))(upload)
    app.command(**page("download"))(download)


def upload(
    local_path: LocalPath,
    hub_folder: HubFolder,
    private: o.Private = False,
    message: Message = None,
    as_model: AsModel = False,
    form: Form = None,
    best: o.Best = False,
    ema: o.Ema = False,
    force: Force = False,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
) -> None:
    """Upload a run, a folder or a file to the Hub in one commit."""
    how: dict[str, Any] = {"private": private, "message": message}
    if as_model:
        choices: dict[str, Any] = {"form": form or "timm", "best": best, "ema": ema, "force": force}
        return _as_model(local_path, hub_folder, how, checkpoints=checkpoints, **choices)
    _require_none(format=form, best=best, ema=ema, force=force)
    from ..sharing import store

    with Screen() as screen:
        screen.stage(f"uploading {local_path}")
        address = store.upload(local_path, hub_folder, say=screen.say, **how)
    return result_line(address)


def _as_model(
    path: Path, repository: str, how: dict[str, Any], *, form: str, best: bool, ema: bool, force: bool,
    checkpoints: Path,
) -> None:  # fmt: skip
    """Export a run to a folder, and commit that folder to the top of a repository."""
    from ..artifacts.which import chosen
    from ..export.exported import Request
    from ..sharing import named, top
    from ..tables.ranges import check_known

    check_known("--format", form, _LOADED_BY)
    where = top.require_name(repository)
    request = Request(format=form, which=chosen(best=best, ema=ema))
    with Screen() as screen, tempfile.TemporaryDirectory() as scratch:
        name = re.sub("^hf:/(?!/)", "hf://", str(path))  # a path has no double slash
        run = named.run_of(name, checkpoints, screen.say)
        screen.stage(f"exporting to {form}")
        from .. import export as exporting
        from ..export import model_card

        done = exporting.export(run, request, Path(scratch) / "model")
        model_card.write(done.path, run, request, repository=where)
        screen.stage(f"uploading to {where}")
        address = top.place(done.path, where, run_id=run.record.run_id, force=force, say=screen.say, **how)
        screen.say(f"largest difference from the run's model: {done.error:.1e} of the largest output")
        screen.say(f"load it with {_LOADED_BY[form].format(where)}")
    result_line(address)


def _require_none(**given: Any) -> None:
    """Raise InputError for an option that has an effect with --as-model only."""
    from ..errors import InputError

    for name, value in given.items():
        if value not in (None, False):
            raise InputError(f"--{name} has an effect with --as-model only. Omit it, or add --as-model")


def download(
    hub_path: Annotated[
        str, typer.Argument(help="Download this folder, run or file of HF_REPOSITORY, or hf://owner/name/path.")
    ],
    local_folder: Annotated[Path, typer.Argument(help="Put its contents into this folder.")],
) -> None:
    """Download a folder, a run or a file from the Hub and verify it by checksum."""
    from ..sharing import store

    with Screen() as screen:
        screen.stage(f"downloading {hub_path}")
        files = store.download(hub_path, local_folder, screen.say)
    result_line(f"{len(files)} files in {local_folder}")
