"""The calibration of a run's test predictions, for `evaluate`: as lines of text and as JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..artifacts.runs import Run
    from ..artifacts.which import Which
    from ..results.calibrated import Calibrated, Interval


def values(run: Run, which: Which) -> dict[str, Any]:
    """Return `calibration`, and `temperature` if one was fitted; nothing for a regression or a single example."""
    from ..artifacts.record import plain

    if not (found := _found(run, which)):
        return {}
    first, *scaled = found
    if not scaled or not (fitted := _temperature(run, which)):
        return {"calibration": first.to_json()}
    return {"calibration": first.to_json(), "temperature": plain(fitted) | {"calibration": scaled[0].to_json()}}


def lines(run: Run, which: Which) -> list[str]:
    """Return the same numbers as lines for a terminal."""
    found = _found(run, which)
    texts = [_scores(each) for each in found]
    if (fitted := _temperature(run, which)) and len(texts) > 1:
        texts[1] = f"with temperature {fitted.value:.3g}, fitted on {fitted.n:,} validation rows: {texts[1]}"
    return texts


def _found(run: Run, which: Which) -> list[Calibrated]:
    """Return the calibration without a temperature, and with the fitted one if there is one."""
    from ..artifacts.predictions import Predictions
    from ..results.calibrated import calibrated

    if run.config.task != "classification":
        return []
    predictions = Predictions.load(getattr(run.files, which.predictions))
    if len(predictions.rows) < 2:
        return []
    fitted = _temperature(run, which)
    return [calibrated(predictions), *([calibrated(predictions, float(fitted.value))] if fitted else [])]


def _temperature(run: Run, which: Which) -> Any:
    results = run.record.results
    return (results.temperatures or {}).get(which.name) if results else None


def _scores(found: Calibrated) -> str:
    return (
        f"NLL: {found.nll:.3f} nats{_within(found.nll_interval)}; Brier score: {found.brier:.3f}"
        f"{_within(found.brier_interval)}; calibration error: {100 * found.ece_debiased:.1f} % (debiased), "
        f"{100 * found.ece:.1f} % (15 bins of equal width)"
    )


def _within(interval: Interval | None) -> str:
    return f" (95 % interval {interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
