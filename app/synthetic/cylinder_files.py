"""Nested-cylinder files with the names and layout of the published ones: a field per file, and a design table."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..data.sources import synthetic as folder
from ..data.sources.design import targets as design_targets
from ..errors import InputError
from ..system import durable
from ..system.printable import printable
from ..tables.synthetic import DESIGN_FILE, FieldRecipe
from .nested_cylinder import COLUMNS, ROWS, STEP, density, sim_time, simulate

TARGET = "ptw_scale"
STUDY = "nc231213_Sn"  # prefix of the published keys
NOTE = "synthetic: drawn by isoscale after published means, not the result of a hydrodynamics code"

Progress = Callable[[int, int], None]  # (files done, files in all)


def make(recipe: FieldRecipe, out: Path, *, design: Path | None, progress: Progress) -> int:
    """Write the set's files and its design table into `out`. Return how many files existed already.

    Raises InputError for a design file that cannot be used, and for a folder that contains other files.
    """
    targets = read_design(design, recipe.simulations) if design else dict.fromkeys(drawn_keys(recipe.simulations))
    simulations = {key: simulate(key, seed=recipe.seed, ptw_scale=target) for key, target in targets.items()}
    folder.begin(out, recipe.to_json())
    durable.write_text(out / DESIGN_FILE, design_table({key: one.ptw_scale for key, one in simulations.items()}))
    of, found, done = len(simulations) * len(recipe.indices), 0, 0
    for key, simulation in simulations.items():
        for index in recipe.indices:
            path, done = out / file_name(key, index), done + 1
            if path.exists():
                found += 1
            else:
                write_field(path, density(simulation, index), index)
            progress(done, of)
    return found


def file_name(key: str, index: int) -> str:
    """Return a name such as `nc231213_Sn_id0001_pvi_idx00112.npz`, whose first three parts are the key."""
    return f"{key}_pvi_idx{index:05d}.npz"


def write_field(path: Path, rho: np.ndarray, index: int) -> None:
    """Write a density (ROWS, COLUMNS) with its coordinates in cm and its time in microseconds."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        rho=rho,
        Rcoord=(STEP * np.arange(COLUMNS)).astype(np.float32),
        Zcoord=(STEP * np.arange(ROWS)).astype(np.float32),
        sim_time=np.float64(sim_time(index)),
        synthetic=np.array(NOTE),
    )
    with durable.replacing(path, wanted=len(buffer.getbuffer())) as aside:
        aside.write_bytes(buffer.getbuffer())


def drawn_keys(simulations: int) -> list[str]:
    """Return keys for simulations that no design file names."""
    return [f"{STUDY}_id{number:04d}" for number in range(1, simulations + 1)]


def design_table(targets: dict[str, float]) -> str:
    """Return the table in the format of the published one, including the spaces in its header."""
    rows = [f"{key}, {target!r}" for key, target in targets.items()]
    return "\r\n".join([f"key, {TARGET}     ", *rows])


def read_design(path: Path, simulations: int) -> dict[str, float]:
    """Return the targets of the first `simulations` rows of a design file, by key.

    Raises InputError for a file that cannot be read or lacks the column or enough rows, for a key that cannot be part
    of a file name, and for a target that is not a valid number.
    """
    targets = dict(itertools.islice(design_targets(path, TARGET).items(), simulations))
    for key, target in targets.items():
        if len(key.split("_")) != 3 or not key.replace("_", "").isalnum():
            raise InputError(f"{path}: the key {printable(key)!r} is not three words. Use a key such as {STUDY}_id0001")
        if not 0 <= target <= 10:
            raise InputError(f"{path}: {TARGET} of {key} is {target:g}. Use a number from 0 to 10")
    if len(targets) < simulations:
        raise InputError(
            f"{path} has {len(targets):,} simulations, fewer than the {simulations:,} that are asked for. Ask for fewer"
        )
    return targets
