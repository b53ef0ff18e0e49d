"""Checks of a run or a machine: one line per check, pass, warn, fail or note, and how to fix a failing one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..errors import ChecksFailed

PASS, WARN, FAIL = "pass", "warn", "fail"
NOTE = "note"  # worth knowing when a result is read; nothing has to be fixed, also with --strict


class Finding(NamedTuple):
    """One line; its last field is the command or the step that fixes a check which does not pass."""

    verdict: str
    about: str
    says: str
    fix: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the line for a machine; the last key has the fix under the name of earlier versions, for scripts."""
        return dict(self._asdict(), mend=self.fix)

    def line(self) -> str:
        """The line as it is read, whose last sentence is the step."""
        step = f". {self.fix[0].upper()}{self.fix[1:]}" if self.fix else ""
        return f"{self.verdict}  {self.about}: {self.says}{step}"


def require_good(findings: Sequence[Finding], *, strict: bool = False) -> None:
    """Raises ChecksFailed where a line fails, or with `strict` warns."""
    bad = (FAIL, WARN) if strict else (FAIL,)
    if lines := [line for line in findings if line.verdict in bad]:
        about = ", ".join(f"{line.about} ({line.verdict})" for line in lines)
        raise ChecksFailed(f"{len(lines)} of {len(findings)} checks failed: {about}. See the lines above")


def worst(findings: Iterable[Finding]) -> str:
    """The verdict over all lines."""
    verdicts = {line.verdict for line in findings}
    return next((verdict for verdict in (FAIL, WARN) if verdict in verdicts), PASS)
