"""Every fault of the table, met by the program: it ends as the row says, and the run in the undisturbed run's bytes."""

import pytest

from app.selftest.trial import Trial

from .cases import ROWS
from .proving import EPOCHS, begun

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cases(tmp_path_factory, pytestconfig):
    """A Hub, a process that runs the commands, and a run that was left alone."""
    model, seed = (pytestconfig.getoption(f"--scenario-{name}") for name in ("model", "seed"))
    root = tmp_path_factory.mktemp("faults")
    with begun(Trial(root=root, say=print, epochs=EPOCHS, model=model, seed=seed)) as cases:
        yield cases


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_failing_hub_loses_no_run(cases, row):
    assert not cases.prove(row)
