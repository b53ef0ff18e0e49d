"""Texts of others: a terminal shows them and never obeys them, a card reads as they are."""

import json

import pytest
import yaml

from app.system.columns import columns
from app.system.printable import LINE, NAME, block, code, escaped, lines, printable

HOSTILE = {
    "colours": "\x1b[31mred\x1b[0m",
    "title": "\x1b]0;owned\x07",
    "csi of one byte": "\x9b2Jgone",
    "line break": "cat\ndone: 100 %",
    "return": "a lie\rthe truth",
    "backspace": "abc\b\b\bxyz",
    "unicode line break": "a\u2028b\u2029c\x85d\x0be",
    "bidi override": "exe.\u202egnp",
    "bidi isolate": "\u2066a\u2069",
    "zero width": "c\u200bat",
    "surrogate": "caf\udce9",
    "delete": "a\x7fb",
    "null": "a\0b",
    "no-break space": "cat\xa0",
    "byte order mark": "\ufeffcat",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("through", [printable, escaped, code])
def test_a_hostile_text_is_one_line_of_visible_letters(text, through):
    shown = through(text)
    assert shown.isprintable() and shown.encode() and shown != text


@pytest.mark.parametrize("text", ["cat", "Katze äöü", "猫", "a b", "C:\\x", "100 %", "50° — ±"])
def test_a_harmless_text_stays_as_it_is(text):
    assert printable(text) == text


def test_two_names_that_look_alike_are_told_apart():
    assert len({printable(name) for name in ("cat", "cat\xa0", "c\u200bat", "cat\r", "cat\ufeff")}) == 5


@pytest.mark.parametrize("most", [NAME, LINE])
@pytest.mark.parametrize("letter", ["x", "\x1b", "\U000e0001"])
def test_a_very_long_text_is_cut_and_says_so(letter, most):
    shown = printable(letter * 1_000_000, most)
    assert len(shown) < most + 60 and "more characters)" in shown


def test_several_lines_stay_several_lines():
    assert lines("one\n  two\n\x1bthree") == "one\n  two\n\\x1bthree"


def test_no_cell_of_a_table_breaks_its_line():
    text = columns(["name", "rows"], [["a\nb\x1b[2J[red]", 1], ["c", 2]])
    assert len(text.splitlines()) == 4 and "\x1b" not in text and r"a\nb\x1b[2J[red]" in text


MARKDOWN = [
    "a|b", "`code`", "[x](javascript:alert(1))", "![x](http://host/x.png)", "<script>alert(1)</script>", "**bold**",
    "_it_", "&lt;b&gt;", "$$x$$", "~~gone~~", "# head", "- item", "1. item", "--- ", "\\", "``` \n# x", "<!--",
    "<details>",
]  # fmt: skip


@pytest.mark.parametrize("text", MARKDOWN)
def test_a_text_on_a_card_reads_as_it_is(text):
    html = rendered(escaped(text))
    assert html == f"<p>{shown(text)}</p>"


@pytest.mark.parametrize("text", MARKDOWN)
def test_a_text_in_a_cell_of_a_card_stays_in_its_cell(text):
    html = rendered(f"| a | b |\n|---|---|\n| {escaped(text)} | 1 |")
    assert html.count("<td>") == 2 and f"<td>{shown(text)}</td>" in html


@pytest.mark.parametrize("text", [*MARKDOWN, "`", "``", "a`b``c", " x "])
def test_code_on_a_card_reads_as_it_is(text):
    html = rendered(f"so {code(text)} it is")
    assert html.startswith("<p>so <code>") and html.endswith("</code> it is</p>") and "<script" not in html


@pytest.mark.parametrize("text", ["```", "````\n# x", "~~~", "a\n```\n<script>"])
def test_no_line_ends_a_block_of_code(text):
    html = rendered(f"{block('python run.py', text)}\n\nafter")
    assert html.count("<pre>") == 1 and html.endswith("<p>after</p>") and "<script" not in html


def rendered(text):
    """HTML of a card's Markdown, without its line's end."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text).strip()


def shown(text):
    """HTML of the text itself."""
    from html import escape

    return escape(printable(text).strip(), quote=False)


def test_json_and_yaml_keep_what_a_terminal_does_not_get():
    for text in HOSTILE.values():
        assert json.loads(json.dumps(text)) == text
        assert yaml.safe_load(yaml.safe_dump({"a": printable(text)}))["a"] == printable(text)


def test_secrets_are_shown_nowhere(monkeypatch):
    token = "hf_" + "Ab1" * 12
    monkeypatch.setenv("HF_TOKEN", "short-secret")
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef" * 2)
    said = f"{token} short-secret {'0123456789abcdef' * 2} https://me:pass@word@host/a http://{token}@host git@host:x"
    for through in (printable, escaped, code, lines):
        text = through(said)
        assert not any(word in text for word in (token, "short-secret", "0123456789abcdef", "pass", "word@"))
        assert "host/a" in text and "git@host:x" in text
