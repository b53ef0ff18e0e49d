"""Figures of attention: the share on a target against distractors, and lambda over epochs."""

from types import SimpleNamespace

import numpy as np
import pytest

from app.artifacts import attention_rows
from app.artifacts.attention_rows import Numbers, Part, load, save
from app.errors import Damaged, InputError
from app.experiment import maps_at
from app.log import read
from app.report import lambdas, panels, signal

ROWS = np.arange(0, 60, 2)


def parts_of(gain, seed):
    """Numbers of canvases in two layers, whose shares are 1 / (m + 1) plus `gain` on average."""
    draws, found = np.random.default_rng(seed), {}
    for count in range(9):
        for layer in (0, 1):
            share = 1 / (count + 1) + gain * (layer + 0.5) + draws.normal(0, 0.01, len(ROWS))
            found[Part("final", f"canvas{count}", layer)] = Numbers(ROWS, {"share": share, "share_first": share / 2})
        found[Part("final", f"canvas{count}", -1)] = Numbers(ROWS, {"correct": draws.integers(0, 2, len(ROWS)) * 1.0})
    return found


def test_a_line_is_the_mean_over_layers_seeds_and_images_with_an_interval_around_it():
    runs = [parts_of(-0.1, 1), parts_of(-0.1, 2), parts_of(-0.1, 3)]
    found = signal.line("D", runs, "share", rows=ROWS)
    wanted = [1 / (count + 1) - 0.1 for count in range(9)]
    assert found.means.tolist() == pytest.approx(wanted, abs=0.01)
    assert (found.low < found.means).all() and (found.means < found.high).all()
    right = signal.line("D", runs, "correct", 100.0, rows=ROWS)
    values = [parts[Part("final", "canvas4", -1)].values["correct"].mean() for parts in runs]
    assert right.means[4] == pytest.approx(100 * np.mean(values))
    relative = found.minus(signal.CANVASES.chance)
    assert relative.means.tolist() == pytest.approx([-0.1] * 9, abs=0.01) and relative.clean is None
    one = signal.line("A1", runs[:1], "share_first", rows=ROWS)
    assert one.means.tolist() == pytest.approx([value / 2 for value in wanted], abs=0.01) and (one.low < one.high).all()


def test_images_with_patches_are_drawn_if_all_runs_have_them_up_to_their_common_number():
    canvases, patched = parts_of(0.1, 1), {}
    for number, (part, its) in enumerate(parts_of(0.1, 2).items()):
        patched[part._replace(inputs=part.inputs.replace("canvas", "patched"))] = Numbers(
            ROWS, its.values | ({"uniform": np.full(len(ROWS), number / 100)} if part.layer < 0 else {})
        )
    fewer = {part: its for part, its in patched.items() if part.inputs < "patched4"}
    runs = [SimpleNamespace(record=SimpleNamespace(run_id=each)) for each in ("1a", "2b")]
    drawn = signal.Inputs("patched", (0, 1, 2, 3))
    assert signal.measured(runs, [canvases | patched, canvases | fewer]) == [signal.CANVASES, drawn]
    assert signal.measured(runs, [patched, fewer]) == [drawn]
    assert signal.CANVASES.chance[3] == 1 / 4
    found = signal.line("uniform", [fewer], "uniform", inputs=drawn, rows=ROWS)
    assert found.means.tolist() == pytest.approx([0.02, 0.05, 0.08, 0.11])
    moved = found.minus(np.full(4, 0.02), np.full(4, 0.12))
    assert moved.means.tolist() == pytest.approx([0, 0.03, 0.06, 0.09]) and moved.clean.tolist() == [0.12 - 0.02] * 4
    with pytest.raises(InputError, match="run 2b"):
        signal.measured(runs, [patched, {}])


def test_all_points_of_a_figure_are_of_the_rows_that_every_run_has_for_every_number_of_distractors():
    one, other = parts_of(0.1, 1), parts_of(0.1, 2)
    one |= {part: its.of(ROWS[4:]) for part, its in one.items() if part.inputs == "canvas3"}
    other |= {part: its.of(ROWS[:-2]) for part, its in other.items() if part.inputs == "canvas7"}
    rows = signal._rows([one, other], signal.CANVASES)
    assert rows.tolist() == ROWS[4:-2].tolist()
    found = signal.line("D", [one], "share", rows=rows)
    wanted = np.mean([one[Part("final", "canvas0", layer)].values["share"][4:-2].mean() for layer in (0, 1)])
    assert found.means[0] == pytest.approx(wanted)
    with pytest.raises(InputError, match="no test row in common"):
        signal._rows([{part: its.of(ROWS[:1]) for part, its in parts_of(0, 1).items()}, one], signal.CANVASES)


def test_a_band_ends_at_possible_shares_and_has_no_width_where_nothing_varies():
    parts = parts_of(0.0, 1)
    for layer in (0, 1):
        parts[Part("final", "canvas0", layer)] = Numbers(ROWS, {"share": np.ones(len(ROWS)) - 1e-8 * (ROWS % 3)})
    parts[Part("final", "canvas1", -1)] = Numbers(ROWS, {"correct": (ROWS > 0) * 1.0})
    share = signal.line("D", [parts], "share", rows=ROWS)
    assert share.low[0] == share.high[0] == pytest.approx(1) and share.low[1] < share.high[1]
    assert signal.line("", [parts], "correct", 100.0, rows=ROWS).high[1] == 100


def test_kept_numbers_of_canvases_that_were_made_in_an_earlier_way_are_not_read(tmp_path, monkeypatch):
    path, parts = tmp_path / "a.parquet", parts_of(0.0, 1)
    parts[Part("final", "test", 0)] = parts[Part("final", "patched2", 0)] = parts[Part("final", "canvas2", 0)]
    with monkeypatch.context() as patch:
        patch.setattr(attention_rows, "_REVISIONS", {})  # as they were written before revision 2
        save(path, parts)
        assert [*load(path)] == sorted(parts)
    assert [part.inputs for part in load(path)] == ["patched2", "test"]
    save(path, parts)
    assert [*load(path)] == sorted(parts)


def test_kept_numbers_are_read_as_they_were_written_and_damage_is_reported(tmp_path):
    path, parts = tmp_path / "a.parquet", parts_of(0.0, 1)
    save(path, parts)
    found = load(path)
    assert [*found] == sorted(parts)
    for part, numbers in parts.items():
        assert found[part].values.keys() == numbers.values.keys() and np.array_equal(found[part].rows, ROWS)
        for name, values in numbers.values.items():
            assert np.array_equal(found[part].values[name], values)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(Damaged, match="run `attention` again"):
        load(path)


def test_numbers_of_some_rows_are_found_and_joined_in_the_order_of_rows():
    some = Numbers(np.array([2, 8]), {"entropy": np.array([0.2, 0.8])})
    both = some.joined(Numbers(np.array([5]), {"entropy": np.array([0.5])}))
    assert both.rows.tolist() == [2, 5, 8] and both.values["entropy"].tolist() == [0.2, 0.5, 0.8]
    assert both.of(np.array([5, 8])).values["entropy"].tolist() == [0.5, 0.8] and both.of(np.array([5, 6])) is None


@pytest.mark.parametrize("at", [None, (7, 0)])
def test_the_patch_of_a_point_is_outlined_in_the_image_and_the_maps_and_named_in_the_caption(at):
    queries = (maps_at.HEAD,) if at is None else (maps_at.HEAD, maps_at.POINT)
    maps = {title: np.zeros((1, len(queries), 2, 4)) for title in ("A1", "D")}
    found = maps_at.Pictures(3, np.zeros((8, 8, 1), np.uint8), (0,), queries, at, (4, 16), maps)
    config = SimpleNamespace(dataset="digits", attention="a", row=SimpleNamespace(attention="a", title="ViT"))
    run = SimpleNamespace(config=config, record=SimpleNamespace(run_id="1a", data=SimpleNamespace(warning="")))
    made = panels.figure([run], [found])
    caption = " ".join(made.get_supxlabel().split())
    outlines = [[each for each in axes.patches if each.get_edgecolor() == (1, 1, 0, 1)] for axes in made.axes[:6]]
    places = [(*each.get_xy(), each.get_width(), each.get_height()) for its in outlines for each in its]
    if at is None:
        assert not places and "point" not in caption
    else:  # pixel 7 of 16 is in column 1 of 4, in images 8 pixels wide and in maps of 4 patches
        assert places == [(1.5, -0.5, 2, 4), (0.5, -0.5, 1, 1), (0.5, -0.5, 1, 1)] and not any(outlines[:3])
        assert "the patch at pixel (7, 0) of the input reads" in caption


@pytest.mark.slow
def test_lambda_of_the_last_epoch_is_that_of_the_record_and_is_drawn(trained, tmp_path):
    from app.artifacts.runs import find_runs

    (run,) = find_runs(trained)
    found = lambdas.curves_of(run)
    assert found.shape == (run.config.epochs, run.config.depth) and found[-1].tolist() == run.record.lambdas
    assert all("lambdas" not in row for row in read(run.files.log)[1] if row["split"] != "val_full")
    assert {path.suffix for path in lambdas.draw([run], tmp_path)} == {".png", ".svg"}
    with pytest.raises(InputError, match=r"attention .* --canvases"):
        signal.draw([run], tmp_path)
