"""How wide a figure is, in its files too, and which widths are refused."""

import re

import pytest
from PIL import Image

from app.cli import plot_options
from app.errors import InputError
from app.report import canvas, history, patterns, style
from app.report.canvas import Canvas


@pytest.mark.parametrize(
    ("text", "inches"),
    [("3.25in", 3.25), ("82mm", 82 / 25.4), ("8.2cm", 82 / 25.4), (" 5 in ", 5), ("2.5in", 2.5), ("20in", 20)],
)
def test_a_width_is_a_number_and_its_unit(text, inches):
    assert canvas.inches(text) == pytest.approx(inches)


@pytest.mark.parametrize("text", ["3.25", "", "in", "3,25in", "-5in", "3.25 pt", "nanin", "infin", "1e1in", "٣in"])
def test_a_width_without_a_unit_or_number_is_refused_with_the_forms(text):
    with pytest.raises(InputError, match=rf"{re.escape(repr(text))} is not a width .*in, mm, cm\. .*3\.25in, 82mm"):
        canvas.inches(text)


@pytest.mark.parametrize(("text", "wide"), [("2.4in", "2.4in"), ("51cm", "20.0787in"), ("10mm", "0.393701in")])
def test_a_width_that_is_too_small_or_large_is_refused_with_the_range(text, wide):
    with pytest.raises(InputError, match=rf"'{text}' is {re.escape(wide)} wide\. .*2\.5in to 20in\. Write"):
        canvas.inches(text)


def test_options_of_different_kinds_of_scaling_figures_are_refused_together():
    usual = {"separate": False, "metric": None, "fit": False, "as_json": False, "axis": "parameters"}
    plot_options.require_one_kind(**usual)
    for given, says in (
        ({"as_json": True, "separate": True}, "Omit it, or omit --separate"),
        ({"axis": "steps"}, "unknown --x 'steps'"),
        ({"separate": True, "metric": "nll"}, "--metric is for the figure of all of them"),
        ({"separate": True, "fit": True}, "--fit fits all architectures"),
        ({"fit": True, "metric": "nll"}, "--metric nll is not available with --fit"),
    ):
        with pytest.raises(InputError, match=says):
            plot_options.require_one_kind(**(usual | given))


def test_every_kind_of_figure_names_the_range_and_its_usual_width_in_its_help():
    usual = {
        plot_options.Width: "8.5in",
        plot_options.WidthOfHistory: f"{history._WIDTH}in",
        plot_options.WidthOfPatterns: f"{patterns._WIDTH}in",
    }
    for option, width in usual.items():
        (its,) = option.__metadata__
        assert f"from {canvas.LEAST:g}in to {canvas.MOST:g}in" in its.help and f"Default: {width}" in its.help


@pytest.mark.parametrize("text", ["3.25in", "82mm", "8.6cm", "7in"])
def test_the_files_are_as_wide_as_asked(text, tmp_path):
    on = Canvas(canvas.inches(text))
    with style.house_style(on):
        figure = style.blank("title", on)
        style.fit(figure, [figure.subplots()], 2)
    png, svg = style.save(figure, tmp_path / "figure", on)
    with Image.open(png) as image:
        pixels, per_inch = image.width, image.info["dpi"][0]
    assert pixels == round(on.inches * 400) and pixels / per_inch == pytest.approx(on.inches, rel=1e-3)
    points = float(re.search(r'<svg [^>]*?width="([\d.]+)pt"', svg.read_text(encoding="utf-8"), re.DOTALL)[1])
    assert points / 72 == pytest.approx(on.inches, abs=1e-6)


def test_equal_figures_on_equal_canvases_have_equal_bytes(tmp_path):
    contents = []
    for name in ("one", "other"):
        on = Canvas(3.25, caption=False)
        with style.house_style(on):
            figure = style.blank("title", on)
            axes = figure.subplots()
            axes.plot([1, 2], [3, 4], label="a line")
            style.legend_above(axes, on)
            style.fit(figure, [axes], 2)
        contents.append([path.read_bytes() for path in style.save(figure, tmp_path / name, on)])
    assert contents[0] == contents[1]


def test_letters_have_seven_to_nine_points_in_a_column_and_their_usual_size_at_the_usual_width():
    for usual in (8.5, 12.0):
        assert {7 <= Canvas(3.25, usual=usual).points(size) <= 9 for size in (10.5, 13, 14, 17)} == {True}
        assert [Canvas(usual=usual).points(14), Canvas(usual, usual=usual).points(14)] == [14, 14]
        assert 8 < Canvas(6.0, usual=usual).points(14) < 14


def test_a_number_keeps_its_unit_where_a_line_ends():
    assert style._wrapped("accuracy 97.2 % (95 % Wilson interval)", 13) == "accuracy\n97.2 % (95 %\nWilson\ninterval)"
    assert style._wrapped("n = 400, 17 x 50", 8) == "n = 400,\n17 x 50"


def test_a_title_of_wide_letters_is_broken_until_it_fits():
    on = Canvas(3.25)
    with style.house_style(on):
        figure = style.blank("WWWWWWWWW WWWWWWWWW WWWWWWWWW WWWWWWWWW", on)
        style.fit(figure, [figure.subplots()], 2)
    (title,) = figure.texts
    assert title.get_window_extent().x1 < figure.bbox.width and "\n" in title.get_text()
