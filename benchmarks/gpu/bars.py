"""The bars of a GPU, a row each, and what a results file says of them: met, missed, or not measured.

docs/performance.md gives the reason for each number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from .findings import Finding

START = 10.0  # seconds, as planned, until a part's process has started Python, torch and CUDA
PAIRS = (  # over, under
    ("vit_classic", "timm eager"),
    ("vit_classic", "timm compiled"),
    ("vit_classic", "HF Trainer"),
    ("vit_differential", "vit_classic"),
)


class Found:
    """The findings of a sheet by what they are about. The newest of equal ones counts."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.all = list(findings)
        self.parts = {one["part"]: one for one in self.all if one["kind"] == "part"}
        steps = [one for one in self.all if one["kind"] == "step"]
        self.steps = {one["case"]: one for one in steps if one["part"].startswith("steps-")}  # other parts repeat some
        self.firsts = {(one["part"], one["case"]): one for one in self.all if one["kind"] == "first"}

    def of(self, kind: str) -> list[Finding]:
        """Return all findings of a kind."""
        return [one for one in self.all if one["kind"] == kind]

    def is_tiny(self) -> bool:
        """Return whether the sheet was run in miniature, so that no number describes a GPU."""
        return any(one["tiny"] for one in self.of("machine"))

    def peers(self, part: str) -> list[dict[str, Any]]:
        """Return the medians of a part's contenders and the ratios of its pairs, or nothing without samples."""
        rounds = {(one["case"], one["round"]): one["ms"] for one in self.of("turn") if one["part"] == part}

        def values(name: str, *others: str) -> list[float]:
            return [rounds[name, number] for number in _shared(rounds, name, *others)]

        ratios = []
        for over, under in PAIRS:
            if each := [a / b for a, b in zip(values(over, under), values(under, over), strict=True)]:
                ratios.append({"over": over, "under": under, "median": median(each), "samples": each})
        names = dict.fromkeys(name for name, _ in rounds)
        contenders = [{"name": name, "median": median(values(name)), "samples": values(name)} for name in names]
        group = {"title": "a training step", "unit": "ms per step", "contenders": contenders, "ratios": ratios}
        return [group] if names else []

    def tests(self) -> dict[str, Any] | None:
        """Return how many of the tests ran, the number of each outcome, and the names of those that failed, or None."""
        of = [one["tests"] for one in self.of("collected")]
        outcomes = {one["case"]: one["outcome"] for one in self.of("test")}
        names = [case for case, outcome in outcomes.items() if outcome in ("failed", "error")]
        found = {"ran": len(outcomes), "of": of[-1] if of else None, **Counter(outcomes.values()), "names": names}
        return found if of or outcomes else None

    def ratio(self, part: str, over: str, under: str) -> float | None:
        """Return a median ratio of two contenders that were measured in turns."""
        pairs = [one for group in self.peers(part) for one in group["ratios"]]
        return next((one["median"] for one in pairs if (one["over"], one["under"]) == (over, under)), None)

    def ms(self, *cases: str) -> float | None:
        """Return the least milliseconds of some cases."""
        return min((self.steps[case]["ms"]["median"] for case in cases if case in self.steps), default=None)

    def rate(self) -> float | None:
        """Return the rate of the large matrix product."""
        rates = [one["flops_per_second"] for one in self.of("rate") if "flops_per_second" in one]
        return rates[-1] if rates else None

    def share(self, step: Finding | None) -> float | None:
        """Return the share of the matrix product's rate that a step reaches, in percent."""
        rate = self.rate()
        return 100 * step["images_per_second"] * step["flops_per_image"] / rate if step and rate else None

    def epoch(self, part: str, name: str) -> Any:
        """Return a number of the newest training of a part."""
        rows = [one for one in self.of("epoch") if one["part"] == part and name in one]
        return rows[-1][name] if rows else None


def _shared(rounds: Mapping[tuple[str, int], float], *names: str) -> list[int]:
    """Return the rounds that all of these contenders have: those in turns, or round 0 if there is no other."""
    numbers = sorted(set.intersection(*({number for name, number in rounds if name == each} for each in names)))
    return [number for number in numbers if number] or numbers


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A bar: at most `most`, or at least `least`, in a unit. `stretch` is the number to aim for.

    `partly` returns whether a part of what the bar is about was measured, if `found` returns None.
    """

    name: str
    found: Callable[[Found], float | None]
    most: float | None = None
    least: float | None = None
    stretch: float | None = None
    unit: str = ""
    partly: Callable[[Found], bool] = lambda _: False

    def verdict(self, value: float | None) -> str:
        """Return met, missed or not measured."""
        if value is None:
            return "not measured"
        good = (self.most is None or value <= self.most) and (self.least is None or value >= self.least)
        return "met" if good else "missed"

    def spelled(self) -> str:
        """Return the bar as text."""
        text = f"at most {self.most:g}" if self.most is not None else f"at least {self.least:g}"
        return f"{text} {self.unit}".strip() + (f" (stretch {self.stretch:g})" if self.stretch is not None else "")


def _over(a: float | None, b: float | None) -> float | None:
    return a / b if a is not None and b else None


def _differential(path: str) -> Callable[[Found], float | None]:
    return lambda f: _over(f.ms(f"d256 differential {path} compiled"), f.ms("d256 classic sdpa compiled"))


def _loop(found: Found) -> float | None:
    """Return the time of an image in our epoch over that in the plain loop, both with their input."""
    loops = [one["images_per_second"] for one in found.of("loop")]
    return _over(max(loops, default=None), found.epoch("epoch", "images_per_second"))


def _exit(part: str) -> Callable[[Found], float | None]:
    def code(found: Found) -> float | None:
        ended = found.parts.get(part, {})
        return None if ended.get("late") or ended.get("exit") is None else abs(ended["exit"])

    return code


def _tests(found: Found) -> float | None:
    """Return pytest's exit code, or 1 for a failed test of a part that was cut off. Skipped tests alone are no 0."""
    code, tests = _exit("tests")(found), found.tests() or {}
    if tests.get("names"):
        return code or 1.0
    return None if code == 0 and not tests.get("passed") else code


def _accuracy(found: Found) -> float | None:
    """Return the worst error as a share of its limit. Bits that do not repeat are an infinite error."""
    rows = found.of("accuracy")
    return max((one["worst"] / one["limit"] if one["repeats"] else float("inf") for one in rows), default=None)


def _waiting(found: Found) -> float | None:
    waits = [one["waits"] for one in found.of("step") if one["waits"] is not None]
    return float(sum(map(bool, waits))) if waits else None


def _chosen(found: Found) -> float | None:
    """Return the time of the chosen differential path over the fastest one's, at the way that the run was computed."""
    how = found.epoch("epoch-differential", "execution")
    if not how:
        return None
    way = {"off": "eager", "blocks": "compiled"}.get(how["compile"])
    times = {path: found.ms(f"d256 differential {path} {way}") for path in ("fused", "sdpa")}
    return _over(times.get(how["attention_path"]), min(filter(None, times.values()), default=None))


def _cold(part: str, most: float) -> Callable[[Found], float | None]:
    """Return the seconds of the first step and the first validation batch of a part's first compiled case.

    A part that was cut off while it compiled for more than `most` seconds took at least these seconds.
    """

    def seconds(found: Found) -> float | None:
        rows = [one for (name, _), one in found.firsts.items() if name == part and "first_validation_seconds" in one]
        if rows:
            return rows[0]["first_step_seconds"] + rows[0]["first_validation_seconds"]
        ended = found.parts.get(part, {})
        compiled = ended.get("seconds", 0.0) - START
        return compiled if ended.get("late") and compiled > most else None

    return seconds


BARS = (
    Bar(name="tests marked gpu, exit code", most=0, found=_tests,
        partly=lambda f: f.tests() is not None),
    Bar(name="fused kernels against float64, worst error / limit", most=1, found=_accuracy),
    Bar(name="selftest --kill 1 --deterministic, exit code", most=0, found=_exit("selftest")),
    Bar(name="steps that wait for the device", most=0, found=_waiting),
    Bar(name="step / timm eager with AMP, d_model 256", most=0.80, stretch=0.70,
        found=lambda f: f.ratio("peers-256", "vit_classic", "timm eager")),
    Bar(name="step / timm compiled, d_model 256", most=1.00, stretch=0.90,
        found=lambda f: f.ratio("peers-256", "vit_classic", "timm compiled")),
    Bar(name="step / HF Trainer, d_model 256", most=0.40,
        found=lambda f: f.ratio("peers-256", "vit_classic", "HF Trainer")),
    Bar(name="an image in an epoch / in a plain loop", most=0.30, found=_loop),
    Bar(name="step / timm eager with AMP, d_model 384", most=0.80, stretch=0.70,
        found=lambda f: f.ratio("peers-384", "vit_classic", "timm eager")),
    Bar(name="step / timm compiled, d_model 384", most=1.00, stretch=0.90,
        found=lambda f: f.ratio("peers-384", "vit_classic", "timm compiled")),
    Bar(name="utilisation, d_model 256, classic compiled", least=35, stretch=45, unit="%",
        found=lambda f: f.share(f.steps.get("d256 classic sdpa compiled"))),
    Bar(name="utilisation, d_model 384, classic compiled", least=42, stretch=52, unit="%",
        found=lambda f: f.share(f.steps.get("d384 classic sdpa compiled"))),
    Bar(name="differential / classic by two SDPA calls, compiled", most=1.20, found=_differential("sdpa")),
    Bar(name="differential / classic by the fused kernels, compiled", most=1.25, found=_differential("fused")),
    Bar(name="chosen differential path / the fastest one", most=1.02, found=_chosen),
    Bar(name="cold compile, 12 layers", most=60, unit="s", found=_cold("steps-256", 60)),
    Bar(name="cold compile, 63 layers", most=60, unit="s", found=_cold("compile-deep", 60)),
    Bar(name="50 epochs of CIFAR-100 at 10M", most=12, unit="min",
        found=lambda f: f.epoch("epoch", "fifty_epochs_minutes")),
)  # fmt: skip
