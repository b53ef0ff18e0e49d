"""What the program does, against what it did when the goldens were written: a refactoring changes and loses nothing.

An addition needs no new golden. A change on purpose: `python -m tests.goldens.make --only NAME`; the commit says why.
"""

import pytest

from . import kept, lines, observe, scene, topics

TRAININGS, IDENTITIES = kept.load("trainings"), kept.load("identities")


@pytest.fixture(scope="session")
def stage(tmp_path_factory, counts_of_models):
    """A folder with the datasets and a cache, for what leaves no trace of another."""
    return _staged(tmp_path_factory.mktemp("goldens") / "stage", counts_of_models)


@pytest.fixture
def alone(tmp_path, counts_of_models):
    """The same, for one test."""
    return _staged(tmp_path / "stage", counts_of_models)


def _staged(folder, counts_of_models):
    scene.build(folder)
    (folder / "cache").mkdir()
    (folder / "cache" / "measured").symlink_to(counts_of_models)
    return folder


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in lines.QUICK else pytest.mark.slow) for name in lines.TRAININGS]
)
def test_a_training_has_its_name_its_config_its_rows_its_order_its_files_and_its_bits(name, stage):
    with observe.surroundings(stage):
        seen = topics.training(name, stage)
    assert not kept.differs(TRAININGS[name], seen)


def test_what_is_new_is_no_loss_and_what_is_gone_moved_or_changed_is_one():
    golden = {"keys": ["a", "b"], "inner": {"x": 1}}
    assert not kept.lost(golden, {"keys": ["a", "new", "b"], "inner": {"x": 1, "y": 2}, "more": 3})
    others = [{"keys": ["a"]}, {"keys": ["b", "a"]}, {"keys": ["b", "a", "c"]}, {"inner": {"x": 2}}, {"inner": {}}]
    assert all(kept.lost(golden, golden | other) for other in others)


def test_every_golden_has_its_command_line_and_every_command_line_its_golden():
    assert TRAININGS.keys() == lines.TRAININGS.keys() and len(TRAININGS) >= 60
    assert IDENTITIES.keys() == lines.IDENTITIES.keys()


@pytest.mark.parametrize("slow", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["ours", "timm's"])
def test_configs_are_named_resolved_and_counted_as_ever(slow, stage):
    names = [name for name in lines.IDENTITIES if slow == (name in lines.SLOW_IDENTITIES)]
    with observe.surroundings(stage):
        seen = {name: topics.identity(name) for name in names}
    assert not kept.lost({name: IDENTITIES[name] for name in names}, seen)


def test_two_configs_share_a_name_only_where_they_are_the_same():
    named = [entry for entry in IDENTITIES.values() if "refused" not in entry]
    configs = {entry["run_id"]: entry["config"] for entry in named}
    assert all(configs[entry["run_id"]] == entry["config"] for entry in named)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in lines.QUICK_TABLES else pytest.mark.slow) for name in lines.TABLES]
)
def test_the_table_of_models_counts_as_ever(name, stage):
    with observe.surroundings(stage):
        assert not kept.lost(kept.load("tables")[name], topics.table(name))


def test_the_table_of_datasets_says_what_it_said(stage):
    with observe.surroundings(stage):
        assert not kept.lost(kept.load("tables")["(datasets)"], topics.datasets())


def test_every_command_takes_the_options_it_took():
    assert not kept.lost(kept.load("options"), topics.options())


@pytest.mark.slow
def test_commands_end_with_the_codes_they_ended_with(alone):
    with observe.surroundings(alone):
        assert not kept.lost(kept.load("exits")["alone"], topics.exit_codes(lines.EXITS))


@pytest.mark.slow
def test_commands_about_a_run_end_with_the_codes_they_ended_with(alone):
    with observe.surroundings(alone):
        assert not kept.lost(kept.load("exits")["in order"], topics.exit_codes(lines.EXITS_IN_ORDER))


@pytest.mark.slow
def test_commands_that_list_and_delete_end_with_the_codes_they_ended_with(alone):
    with observe.surroundings(alone):
        assert not kept.lost(kept.load("exits")["listed and deleted"], topics.exit_codes(lines.EXITS_LISTED))


@pytest.mark.slow
def test_json_of_lists_has_the_keys_it_had(alone):
    with observe.surroundings(alone):
        assert not kept.lost(kept.load("json_keys")["listed"], topics.json_keys(lines.LISTED_AS_JSON))


@pytest.mark.slow
def test_json_for_machines_has_the_keys_it_had(alone):
    with observe.surroundings(alone):
        assert not kept.lost(kept.load("json_keys")["told"], topics.json_keys(lines.AS_JSON))


@pytest.mark.slow
@pytest.mark.parametrize("name", lines.MEASURED_AS_JSON)
def test_json_of_measurements_has_the_keys_it_had(name, alone):
    with observe.surroundings(alone):
        seen = topics.json_keys({name: lines.MEASURED_AS_JSON[name]})
    assert not kept.lost({name: kept.load("json_keys")["measured"][name]}, seen)


def test_every_test_is_still_there_or_has_a_reason_why_not():
    removed = topics.removed_tests((kept.FOLDER / "removed.txt").read_text())
    assert not topics.missing_tests(kept.load("names"), topics.test_names(), removed)
    assert not set(removed) - set(kept.load("names")), "removed.txt names tests that never were"
