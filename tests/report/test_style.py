"""How figures look and are saved."""

from __future__ import annotations

import subprocess
import sys

from app.report import style


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
        figure = style.blank("title", width=2, height=2)
        figure.subplots()
    paths = style.save(figure, tmp_path / "new" / "model_7.5M")
    assert [path.name for path in paths] == ["model_7.5M.png", "model_7.5M.svg"]
    assert len(list((tmp_path / "new").iterdir())) == 2
