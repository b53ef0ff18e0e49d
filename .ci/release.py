"""A release is in order where its tag, the project's version and CHANGELOG.md agree: `python3 .ci/release.py v1.2.3`.

Prints the version's notes from CHANGELOG.md; else one sentence on stderr, and 2. Standard library only.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_HEADING = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>\d{4}-\d{2}-\d{2}))?\s*$", re.MULTILINE)


class NotReady(Exception):
    """What must be mended before the tag is set."""


def notes(tag: str, root: Path = ROOT) -> str:
    """The notes of the version that a tag names; raises NotReady where tag, version and changelog disagree."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = project["version"]
    if tag != f"v{version}":
        raise NotReady(
            f"the tag is {tag!r} and pyproject.toml's version is {version}; tag v{version} or set the version"
        )
    stated = re.search(r"^version: (.+)$", (root / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    if not stated or stated[1] != version:
        raise NotReady(f"CITATION.cff's version is not {version}; set it")
    return section(version, (root / "CHANGELOG.md").read_text(encoding="utf-8"))


def section(version: str, changelog: str) -> str:
    """What stands below a version's heading; raises NotReady where it is missing, undated or empty."""
    headings = list(_HEADING.finditer(changelog))
    ends = [heading.start() for heading in headings[1:]] + [len(changelog)]
    for heading, end in zip(headings, ends, strict=True):
        if heading["version"] == version:
            text = changelog[heading.end() : end].strip()
            if not heading["date"]:
                raise NotReady(f"CHANGELOG.md's heading of {version} has no date; write '## [{version}] - YYYY-MM-DD'")
            if not re.search(r"^- \S", text, re.MULTILINE):
                raise NotReady(f"CHANGELOG.md says nothing under {version}; move the lines of Unreleased there")
            return text
    raise NotReady(f"CHANGELOG.md has no heading '## [{version}] - YYYY-MM-DD'; write it over the lines of Unreleased")


def main(arguments: list[str]) -> int:
    """Prints the notes; 2 where the release is not ready."""
    if len(arguments) != 1:
        print("error: give one tag: python3 .ci/release.py v1.2.3", file=sys.stderr)
        return 2
    try:
        print(notes(arguments[0]))
    except NotReady as reason:
        print(f"error: {reason}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
