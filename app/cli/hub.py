"""`upload` and `download`: copy a run, a folder or a file to the Hub and back; a run as a model of timm's."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from . import options as o
from .examples import page
from .screen import Screen, result_line

_option = partial(typer.Option, show_default=False)
AsModel = Annotated[
    str | None,
    _option("--as-model", metavar="OWNER/NAME", help="Upload a run, also given by its ID, as a model that timm or "
            "transformers loads, to the top of this repository. Default: off."),
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
    local_path: Annotated[
        str, typer.Argument(help="Upload this run, named without an ending, or this folder or file.")
    ],
    hub_folder: Annotated[
        str | None,
        typer.Argument(
            help="Put it into this folder of HF_REPOSITORY, or into hf://owner/name/folder. Required without "
            "--as-model.",
            show_default=False,
        ),
    ] = None,
    private: o.Private = False,
    message: Annotated[
        str | None,
        typer.Option("--message", help="Set the message of the commit. Default: Add NAME.", show_default=False),
    ] = None,
    as_model: AsModel = None,
    form: Form = None,
    best: o.Best = False,
    ema: o.Ema = False,
    force: Force = False,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
) -> None:
    """Upload a run, a folder or a file to the Hub in one commit."""
    how: dict[str, Any] = {"private": private, "message": message}
    if as_model is not None:
        _require_none("with --as-model, which uses the top of the repository", hub_folder=hub_folder)
        choices: dict[str, Any] = {
            "form": form or "timm",
            "best": best,
            "ema": ema,
            "force": force,
            "checkpoints": checkpoints,
        }
        return _as_model(local_path, as_model, how, **choices)
    _require_none("without --as-model", format=form, best=best, ema=ema, force=force)
    if hub_folder is None:
        raise _no_folder()
    from ..sharing import store

    with Screen() as screen:
        screen.stage(f"uploading {local_path}")
        address = store.upload(Path(local_path), hub_folder, say=screen.say, **how)
    return result_line(address)


def _as_model(
    name: str, repository: str, how: dict[str, Any], *, form: str, best: bool, ema: bool, force: bool,
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


def _no_folder() -> Exception:
    from ..errors import InputError

    return InputError(
        "upload has no folder of the Hub to put it into. Write `upload LOCAL_PATH HUB_FOLDER`, or "
        "`upload RUN --as-model owner/name`"
    )


def _require_none(where: str, **given: Any) -> None:
    """Raise InputError for an argument or option that has no effect."""
    from ..errors import InputError

    for name, value in given.items():
        if value not in (None, False):
            option = name if name == "hub_folder" else f"--{name}"
            raise InputError(f"{option} has no effect {where}. Omit it")


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
