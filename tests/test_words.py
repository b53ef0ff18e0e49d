"""Texts keep to the project's words, and the README's sentences are short; `.ci/words.py` declares both."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def loaded():
    """.ci/words.py as a module."""
    spec = importlib.util.spec_from_file_location("words", ROOT / ".ci/words.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


words = loaded()


def test_a_text_has_none_of_the_words_that_are_replaced():
    files = words.files()
    hits = [f"{path.relative_to(ROOT)}:{line}: {word}" for path in files for line, word in words.found(path)]
    assert len(files) > 300 and hits == []


def test_lint_reads_the_same_words():
    assert "python .ci/words.py" in (ROOT / "Justfile").read_text()


@pytest.mark.parametrize(
    ("name", "text", "places"),
    [
        ("a.md", "Fix it.\nIt is\ntold, and goes  with `--x`.\n", [(2, "is told"), (3, "goes with")]),
        ("a.md", 'The key is `"mend"`; amend and recommend are English.\n', []),
        ("a.py", '"""Raise."""\nx = 1  # a line\n# each shall\ny = f"{x} is Mended"\n',
         [(4, "Mended"), (2, "a line each"), (3, "shall")]),
        ("a.py", "def mend(carved):\n    return carved.mend\n", []),
        ("a.jinja", "# begin {{ name }} anew\n", [(1, "anew")]),
    ],
)  # fmt: skip
def test_the_search_finds_words_in_text_and_not_in_names(tmp_path, name, text, places):
    (tmp_path / name).write_text(text)
    assert list(words.found(tmp_path / name)) == places


def test_sentences_are_those_that_are_read():
    page = (
        "# A title\n\nOne two three. Four `five six` [seven](https://example.org/a.b)!\n\n```\ncode is no text\n```\n\n"
        "| a | table |\n|---|---|\n| b | c |\n\n- Eight nine ten.\n- Eleven e.g. twelve\n  thirteen.\n"
    )
    assert [len(sentence) for sentence in words.sentences(page)] == [3, 3, 3, 4]
    assert words.mean_words(page) == 13 / 4


def test_a_sentence_of_the_readme_has_18_words_at_most_on_average():
    mean = words.mean_words((ROOT / "README.md").read_text())
    print(f"README.md: {mean:.1f} words per sentence")
    assert mean <= words.MOST_WORDS
