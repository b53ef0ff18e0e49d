"""The plan of one run on this machine, which takes its place and its memory into account."""

from __future__ import annotations

from .. import data, place
from ..artifacts.runs import place_of, unfinished_of_another_file, unfinished_on_other_data
from ..computing import execution
from ..config import matching
from ..config.checks import check_stream
from ..config.command import Command
from ..config.run import RunConfig
from ..experiment import run as experiment
from ..experiment.earlier import report_other_data, report_other_file
from ..experiment.observers import Screen
from ..experiment.options import Options
from ..experiment.planning import tell_kin
from ..system import checks, machine
from ..system.findings import PASS, Finding
from . import checklist, costs, findings, probe, readiness, room
from .extent import Extent, extent_of
from .report import Plan


def draw_up(
    command: Command, options: Options, screen: Screen, *,
    like: str | None = None, probed: bool = False, usd_per_hour: float | None = None,
) -> Plan:  # fmt: skip
    """Return the plan of a `train` command. `like` names a model to compare with. Raises InputError as `train` does.

    It writes only measurements and a dataset's class count, in the cache.
    """
    request = command.request
    config = experiment.plan(request, screen, command.config, checkpoints=options.checkpoints)
    asked = {**request, "like": like or request.get("like")}
    other = experiment.plan(matching.of_the_other(asked), screen) if asked["like"] else None
    here = _place(config, options)
    there = here.room()  # before trials, whose memory torch keeps
    ask = data.ask_of(config.to_json(), **data.where(request))
    _report_others(config, options, screen)
    understood = data.understood(config, ask, screen.say)
    extent = extent_of(understood, ask)
    steps = costs.steps_of(config, extent)
    chosen = _chosen(config, here, options, screen, extent, probed=probed)
    memory, disk = room.memory(config, here, chosen), room.disk(config, extent, steps, keep_every=options.keep_every)
    took = probe.take(config, here, chosen, screen.say) if probed else None
    return Plan(
        config=config,
        data=understood,
        device=here.describe(),
        execution=chosen.to_json(),
        costs=costs.of_run(config, extent)
        | {"memory_bytes": memory, "disk_bytes": disk}
        | probe.times(took, config, extent, usd_per_hour=usd_per_hour),
        findings=[
            *readiness.findings(config, options), *checklist.of_data(config, extent, steps),
            *(findings.matched(config, other, match=request.get("match", "params")) if other else ()),
            findings.device(here.architecture(), here.device.type, flops=costs.counts(config).flops),
            *_of_machine(here, chosen.threads),
            checks.memory(sum(memory.values()), *there, tried=room.is_tried(here, options.wishes)),
            *machine.room(room.needs(disk, options.checkpoints)),
        ],
    )  # fmt: skip


def _place(config: RunConfig, options: Options) -> place.Place:
    """Return the place of the run. Raises InputError if a new run would not compute in its settings' precision."""
    here = place.choose(device=options.device, precision=config.precision, threads=options.threads)
    if not place_of(options.checkpoints, config).record.exists():  # which may resume in the precision that it began in
        check_stream(config.residual_precision, computed_in=here.precision)
    return here


def _chosen(
    config: RunConfig, here: place.Place, options: Options, screen: Screen, extent: Extent, *, probed: bool
) -> execution.Execution:  # fmt: skip
    """Return how the run would be computed. Compiling is tried with a probe on CUDA only, because it takes a minute."""
    steps = costs.steps_of(config, extent) if probed and here.device.type == "cuda" else 1
    resident = room.resident(config, here, extent)
    return execution.choose(config, here, options.wishes, steps=steps or 1, say=screen.say, data_bytes=resident)


def _of_machine(here: place.Place, threads: int) -> list[Finding]:
    """Return the checks of the machine that `doctor` makes too: its CPUs, and the features that its GPU lacks."""
    architecture = here.architecture()
    lacks = [line for line in checks.units(architecture[0]) if line.verdict != PASS] if architecture else []
    cpus = checks.cpus(*machine.cpus(), threads=threads)
    return [*lacks, cpus, checks.shared_memory(machine.shared_memory(), ranks=1)]


def _report_others(config: RunConfig, options: Options, screen: Screen) -> None:
    """Report runs that differ only in their data and are unfinished, or only in their epochs, as `train` does."""
    if not place_of(options.checkpoints, config).record.exists():
        report_other_data(unfinished_on_other_data(options.checkpoints, config), config, screen)
        report_other_file(unfinished_of_another_file(options.checkpoints, config), config, screen)
        tell_kin(config, options.checkpoints, screen.say)
