"""Checks of a run or a machine: one line per check, pass, warn, fail or note, and how to fix a failing one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..errors import ChecksFailed

PASS, WARN, FAIL = "pass", "warn", "fail"
NOTE = "note"  # useful for reading a result; nothing has to be fixed, even with --strict


class Finding(NamedTuple):
    """One line. Its last field is the command or the step that fixes the check, if it does not pass."""

    verdict: str
    about: str
    says: str
    fix: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the line as a JSON object.

        The key of the fix is that of earlier versions, for scripts that read it.
        """
        return dict(self._asdict(), mend=self.fix)

    def line(self) -> str:
        """Return the line as text, with the fix as its last sentence."""
        step = f". {self.fix[0].upper()}{self.fix[1:]}" if self.fix else ""
        return f"{self.verdict}  {self.about}: {self.says}{step}"


def require_good(findings: Sequence[Finding], *, strict: bool = False) -> None:
    """Raise ChecksFailed if a check fails, or with `strict` also if one warns."""
    bad = (FAIL, WARN) if strict else (FAIL,)
    if lines := [line for line in findings if line.verdict in bad]:
        about = ", ".join(f"{line.about} ({line.verdict})" for line in lines)
        raise ChecksFailed(f"{len(lines)} of {len(findings)} checks failed: {about}. See the lines above")


def worst(findings: Iterable[Finding]) -> str:
    """Return the worst verdict of all lines: fail, warn or pass."""
    verdicts = {line.verdict for line in findings}
    return next((verdict for verdict in (FAIL, WARN) if verdict in verdicts), PASS)
