"""The words that this project never uses, declared once: `python .ci/words.py` lists each use, and ends with 1 if any.

It reads README.md, docs, studies, app and run.py: the whole text of a page or template; strings, docstrings and
comments of a source file. It also prints the mean length of the README's sentences. tests/test_words.py fails for
the same reasons.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What to write instead: fix; held out; rebuild, retrain; is unavailable; (delete); internal error; removes it; one line
# per check; is reported; printed.
WORDS = (
    "mend(?:s|ed|ing)?", "carv(?:e|es|ed|ing)", "anew", "cannot be had", "shall", "our defect", "goes with",
    "a line each", "(?:is|are) told", "which is said",
)  # fmt: skip
# A word in straight quotes is the name of a JSON key, such as "mend" of `doctor --json`.
FOUND = re.compile(rf"(?<!\")\b(?:{'|'.join(WORDS)})\b(?!\")".replace(" ", r"\s+"), re.IGNORECASE)
MOST_WORDS = 18  # of a sentence of the README, on average


def files() -> list[Path]:
    """Return every file that is read."""
    pages = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("studies/**/*.md"))]
    sources = [path for path in sorted(ROOT.glob("app/**/*")) if path.suffix in (".py", ".jinja")]
    return [*pages, ROOT / "run.py", *sources]


def found(path: Path) -> Iterator[tuple[int, str]]:
    """Return the line and the word of each place where a file has one of the words."""
    text = path.read_text()
    for line, part in _of_source(text) if path.suffix == ".py" else [(1, text)]:
        for match in FOUND.finditer(part):
            yield line + part.count("\n", 0, match.start()), " ".join(match[0].split())


def _of_source(text: str) -> Iterator[tuple[int, str]]:
    """Return strings and comments with their lines; comments of consecutive lines are one text."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    comments: list[tuple[int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            line, said = token.start[0], token.string.lstrip("# ")
            if comments and comments[-1][0] + comments[-1][1].count("\n") == line - 1:
                comments[-1] = (comments[-1][0], f"{comments[-1][1]}\n{said}")
            else:
                comments.append((line, said))
    yield from comments


def sentences(page: str) -> list[list[str]]:
    """Return the words of each sentence of a Markdown page, without code blocks, tables, headings and addresses."""
    text = re.sub(r"<!--.*?-->|^```.*?^```|^(?: {4}|\||#|\[!|!\[|<).*?$", "", page, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"`[^`]*`", "code", re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", text))
    paragraphs = re.split(r"\n\s*\n|\n\s*(?:[-*]|\d+\.) ", text)
    said = [part for each in paragraphs for part in re.split(r"(?<=[.!?])\s+(?=[A-Z`(\"*])", " ".join(each.split()))]
    return [words for each in said if len(words := re.findall(r"[\w'’%./-]*\w[\w'’%./-]*", each)) > 1]


def mean_words(page: str) -> float:
    """Return the mean number of words of a page's sentences."""
    counts = [len(words) for words in sentences(page)]
    return sum(counts) / len(counts)


def main() -> int:
    """Print each place, and the README's mean; return the exit code."""
    places = [(path.relative_to(ROOT), line, word) for path in files() for line, word in found(path)]
    for path, line, word in places:
        print(f"{path}:{line}: {word}")
    mean = mean_words((ROOT / "README.md").read_text())
    print(f"README.md: {mean:.1f} words per sentence; at most {MOST_WORDS} are wanted")
    return 1 if places else 0


if __name__ == "__main__":
    sys.exit(main())
