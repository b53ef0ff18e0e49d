"""How figures look and are saved."""

from __future__ import annotations

import subprocess
import sys
import warnings

import pytest
from matplotlib import font_manager

from app.report import style
from app.report.canvas import Canvas


def test_importing_figures_leaves_matplotlibs_settings_and_backend_alone():
    code = (
        "import matplotlib, sys; before = matplotlib.rcParams.copy();"
        "import app.report.loss, app.report.scaling, app.report.confusion;"
        "assert matplotlib.rcParams.copy() == before and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_curves_differ_in_colour_marker_and_brightness_or_dashes():
    looks = [style.look(place) for place in range(6)]
    for key in ("color", "marker", "linestyle"):
        assert len({str(look[key]) for look in looks}) == 6


def test_a_figure_is_saved_whole_under_a_name_with_a_point(tmp_path):
    with style.house_style():
        figure = style.blank("title", Canvas(width=2.5))
        figure.subplots()
    paths = style.save(figure, tmp_path / "new" / "model_7.5M")
    assert [path.name for path in paths] == ["model_7.5M.png", "model_7.5M.svg"]
    assert len(list((tmp_path / "new").iterdir())) == 2


@pytest.fixture
def no_fallback(monkeypatch):
    """Only the font that comes with matplotlib."""
    for cached in (style._drawable, style._font_files):
        cached.cache_clear()
    monkeypatch.setattr(font_manager, "get_font_names", lambda: ["DejaVu Sans"])
    yield
    for cached in (style._drawable, style._font_files):
        cached.cache_clear()


def test_letters_that_no_font_holds_are_drawn_as_escapes_without_a_warning(tmp_path, no_fallback):
    with style.house_style(), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = style.blank("猫と犬", Canvas(width=3.0))
        axes = figure.subplots()
        axes.set_xticks([0, 1], ["猫", "Über\t犬"])
        axes.text(0, 0, "犬")
        svg = style.save(figure, tmp_path / "names")[1].read_text(encoding="utf-8")
    assert [r"\u732b\u3068\u72ac" in svg, r">Über\t\u72ac</text>" in svg, r">\u72ac</text>" in svg] == [True] * 3


def test_a_dollar_in_a_name_is_a_dollar(tmp_path):
    with style.house_style():
        figure = style.blank("a$b$c")
    assert ">a$b$c</text>" in style.save(figure, tmp_path / "dollars")[1].read_text(encoding="utf-8")


def test_a_long_title_is_wrapped_and_letters_of_east_asia_count_twice(monkeypatch):
    monkeypatch.setattr(style, "_drawable", lambda letter: True)
    with style.house_style():
        for title, lines in (("x" * 50, 1), ("x" * 60, 2), ("word " * 25, 3), ("猫" * 50, 2)):
            assert style.blank(title).get_suptitle().count("\n") == lines - 1


def test_fallback_fonts_stand_behind_our_own_and_only_where_they_are_installed(monkeypatch):
    assert style._families()[0] == "DejaVu Sans"
    monkeypatch.setattr(font_manager, "get_font_names", lambda: ["Unifont", "Other", "IPAexGothic", "DejaVu Sans"])
    assert style._families() == ["DejaVu Sans", "IPAexGothic", "Unifont"]


def test_a_pdf_is_written_on_request_and_equal_figures_give_equal_bytes(tmp_path):
    canvas = Canvas(3.25, formats=("pdf",))
    contents = []
    for name in ("one", "other"):
        with style.house_style(canvas):
            figure = style.blank("a title", canvas)
            figure.subplots().plot([0, 1], [1, 0])
        (path,) = style.save(figure, tmp_path / name, canvas)
        contents.append(path.read_bytes())
    assert path.name == "other.pdf" and contents[0].startswith(b"%PDF") and contents[0] == contents[1]
    assert b"CreationDate" not in contents[0]
