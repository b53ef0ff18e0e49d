"""`upload` and `download`: a run, a folder or a file to the Hub and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options as o
from .screen import result_line


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(upload)
    app.command()(download)


def upload(
    local_path: Annotated[Path, typer.Argument(help="A run (its name without ending), a folder or a file.")],
    hub_folder: Annotated[str, typer.Argument(help="Folder in HF_REPOSITORY, or hf://owner/name/folder.")],
    private: o.Private = False,
    message: Annotated[
        str | None, typer.Option("--message", help="Of the commit (Add and the name).", show_default=False)
    ] = None,
) -> None:
    """Put a run, a folder or a file into HF_REPOSITORY, in one commit."""
    from ..sharing import store
    from .screen import Screen

    with Screen() as screen:
        screen.stage(f"uploading {local_path}")
        address = store.upload(local_path, hub_folder, say=screen.say, private=private, message=message)
    result_line(address)


def download(
    hub_path: Annotated[str, typer.Argument(help="Folder, run or file in HF_REPOSITORY, or hf://owner/name/path.")],
    local_folder: Annotated[Path, typer.Argument(help="Where its contents go.")],
) -> None:
    """Get a folder, a run or a file of the Hub, verified by checksum."""
    from ..sharing import store
    from .screen import Screen

    with Screen() as screen:
        screen.stage(f"downloading {hub_path}")
        files = store.download(hub_path, local_folder, screen.say)
    result_line(f"{len(files)} files in {local_folder}")
