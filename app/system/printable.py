"""Text from others (names of files and classes, licences, answers of the Hub), made safe to print and to put on a card.

Text for a terminal goes through `printable` or `lines`, text for a card through `escaped`, `code` or `block`. JSON does
not go through them, because it has escapes that its readers undo.
"""

from __future__ import annotations

import html
import os
import re

LINE, NAME = 8000, 120  # the most characters of a printed line, and of one name in it

SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "WANDB_API_KEY")  # variables whose value nobody may read
_SHORTEST = 6  # characters of a secret; a shorter value is in many words that are none
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{20,}")
_LIKE_TOKEN = re.compile(r"\b(hf|api_org)_[A-Za-z0-9]{10,}")  # characters that no name of a repository has
_IN_ADDRESS = re.compile(r"(?<=://)[^\s/]*@")  # the name and the password before a host
_MARKDOWN = re.compile(r"([\\`*\[\]|~$#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
_BEGINS = re.compile(r"^(\d*)([-+=]|[.)](?=\s))")  # the beginning of a list, or of a line under a heading


def without_secrets(text: str) -> str:
    """Return the text with `***` in place of secret variables' values, tokens, and passwords in addresses."""
    for value in (os.environ.get(name, "").strip() for name in SECRETS):
        if len(value) >= _SHORTEST:
            text = text.replace(value, "***")
    text = _TOKEN.sub("***", text) if "hf_" in text else text  # a search for letters is far faster than a pattern
    return _IN_ADDRESS.sub("***@", text) if "://" in text else text


def is_secret(text: str) -> bool:
    """Return whether a text contains the value of a secret variable, or a word with the prefix of the Hub's tokens."""
    values = (os.environ.get(name, "").strip() for name in SECRETS)
    return any(len(value) >= _SHORTEST and value in text for value in values) or bool(_LIKE_TOKEN.search(text))


def may_be_secret(text: str) -> bool:
    """Return whether an invalid value had better not be repeated: one long word, or an address."""
    telling = "hf_" in text.lower() or any(mark in text for mark in "@?=:")
    return telling or is_secret(text) or bool(re.fullmatch(r"[\w.:+-]{16,}", text))


def printable(text: object, most: int = LINE) -> str:
    r"""Return a text as one line of about `most` characters at most, which a terminal shows and never interprets.

    Line breaks, control characters (escape sequences begin with one), marks that change the direction of writing,
    blanks other than the space and unpaired surrogates are shown as `\n`, `\x1b`, `\u202e`. Secrets are shown as `***`.
    """
    given = without_secrets(str(text))
    kept = given[:most]
    line = kept if kept.isprintable() else "".join(map(_visible, kept))
    if (left := len(given) - most) > 0 or len(line) > most:
        return f"{line[:most]}... ({max(left, 0) + max(len(line) - most, 0):,} more characters)"
    return line


def _visible(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode()


def lines(text: str, most: int = LINE) -> str:
    """Return a text of several lines, each printable.

    A name that may contain a line break must be made `printable` before.
    """
    return "\n".join(printable(line, most) for line in text.split("\n"))


def escaped(text: object, most: int = LINE) -> str:
    """Return a text that a card shows literally: it has no Markdown, no HTML, no end of a cell or line."""
    shown = html.escape(printable(text, most).strip(), quote=False)
    return _BEGINS.sub(r"\1\\\2", _MARKDOWN.sub(r"\\\1", shown))


def code(text: object) -> str:
    """Return a text as inline code for a card, between as many backticks as it needs."""
    shown = printable(text)
    fence = "`" * (_longest_run(shown) + 1)
    pad = " " if shown[:1] == "`" or shown[-1:] == "`" else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def block(*texts: object) -> str:
    """Return texts as the lines of a card's code block, which none of them can close."""
    shown = [printable(text) for text in texts]
    fence = "`" * max(3, *(_longest_run(text) + 1 for text in shown))
    return "\n".join([fence, *shown, fence])


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
