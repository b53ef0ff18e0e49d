"""`upload` and `download`: copy a run, a folder or a file to the Hub and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options as o
from .examples import page
from .screen import result_line


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(**page("upload"))(upload)
    app.command(**page("download"))(download)


def upload(
    local_path: Annotated[
        Path, typer.Argument(help="Upload this run, named without an ending, or this folder or file.")
    ],
    hub_folder: Annotated[
        str, typer.Argument(help="Put it into this folder of HF_REPOSITORY, or into hf://owner/name/folder.")
    ],
    private: o.Private = False,
    message: Annotated[
        str | None,
        typer.Option("--message", help="Set the message of the commit. Default: Add NAME.", show_default=False),
    ] = None,
) -> None:
    """Upload a run, a folder or a file to the Hub in one commit."""
    from ..sharing import store
    from .screen import Screen

    with Screen() as screen:
        screen.stage(f"uploading {local_path}")
        address = store.upload(local_path, hub_folder, say=screen.say, private=private, message=message)
    result_line(address)


def download(
    hub_path: Annotated[
        str, typer.Argument(help="Download this folder, run or file of HF_REPOSITORY, or hf://owner/name/path.")
    ],
    local_folder: Annotated[Path, typer.Argument(help="Put its contents into this folder.")],
) -> None:
    """Download a folder, a run or a file from the Hub and verify it by checksum."""
    from ..sharing import store
    from .screen import Screen

    with Screen() as screen:
        screen.stage(f"downloading {hub_path}")
        files = store.download(hub_path, local_folder, screen.say)
    result_line(f"{len(files)} files in {local_folder}")
