"""Weights and state: read back as they were, refused when damaged, and never more than two states."""

import copy
import json
import os
import stat

import pytest
import torch
from torch import nn

from app.artifacts import checkpoint, states
from app.artifacts.checkpoint import State
from app.artifacts.states import Facts
from app.errors import Damaged
from app.optim import adamw
from app.place import choose

CPU = choose(device="cpu")


def model(width=3):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, width), nn.Linear(width, 2))


def stepped(network, optimizer, steps=3):
    for step in range(steps):
        network(torch.full((4, 2), float(step))).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()


def test_weights_and_their_metadata_come_back(tmp_path):
    one, other = model(), model()
    nn.init.constant_(other[0].weight, 7)
    checkpoint.save_weights(tmp_path / "w.safetensors", one, {"run_id": "ab", "class_names": ["ä", "b"]})
    assert checkpoint.load_weights(tmp_path / "w.safetensors", other) == {"run_id": "ab", "class_names": ["ä", "b"]}
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name])


def test_equal_weights_are_equal_files_that_others_may_read(tmp_path):
    before = os.umask(0o022)
    try:
        for name in ("a", "b"):
            checkpoint.save_weights(tmp_path / name, model(), {"x": 1, "y": [1, 2]})
    finally:
        os.umask(before)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.parametrize("kept", [0, 4, 60, -1])
def test_truncated_weights_are_named(tmp_path, kept):
    path = tmp_path / "w.safetensors"
    checkpoint.save_weights(path, model(), {})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(Damaged, match=r"w\.safetensors are damaged .*Download the run again"):
        checkpoint.load_weights(path, model())


def test_weights_of_another_shape_are_refused_and_change_nothing(tmp_path):
    checkpoint.save_weights(tmp_path / "w", model(width=4), {})
    mine, before = model(), copy.deepcopy(model().state_dict())
    with pytest.raises(Damaged, match=r"do not fit the run's config \(first at 0.bias\)"):
        checkpoint.load_weights(tmp_path / "w", mine)
    assert all(torch.equal(tensor, before[name]) for name, tensor in mine.state_dict().items())


def test_an_optimizer_restored_goes_on_as_if_it_had_not_stopped():
    whole, cut = model(), model()
    for_whole, for_cut = (adamw(network, lr=0.1, weight_decay=0.01) for network in (whole, cut))
    stepped(whole, for_whole)
    stepped(cut, for_cut)
    resumed = copy.deepcopy(cut)
    for_resumed = adamw(resumed, lr=0.1, weight_decay=0.01)
    checkpoint.restore_optimizer(resumed, for_resumed, *checkpoint.optimizer_state(cut, for_cut))
    stepped(whole, for_whole)
    stepped(resumed, for_resumed)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


def facts(log_bytes):
    return Facts(best=None, log_bytes=log_bytes, log_sha256="0" * 64, seconds=1.5)


def save(folder, step, best=None):
    checkpoint.save_state(folder, State(step, {"x": torch.tensor([float(step)])}, facts(step)), best=best)


def test_the_newest_state_is_read_and_only_the_last_two_with_what_they_need_are_kept(tmp_path):
    for step in (1, 2, 10):
        (tmp_path / f"best-{step}").write_text(str(step))
        save(tmp_path, step, best=f"best-{step}")
    state = checkpoint.load_state(tmp_path, pytest.fail)
    assert (state.step, state.tensors["x"].item(), state.facts) == (10, 10.0, facts(10))
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{kind}-{step}{end}" for step in (2, 10) for kind, end in
        (("state", ".json"), ("state", ".safetensors"), ("best", ""))
    }  # fmt: skip


def test_what_a_process_that_was_killed_left_beside_states_goes_with_the_next(tmp_path):
    (left := tmp_path / ".state-1.safetensors.7-7.scratch").mkdir()
    (left / ".tmp1").write_bytes(b"x" * 99)
    save(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state-2.json", "state-2.safetensors"]


@pytest.mark.parametrize("damaged", ["state-2.safetensors", "state-2.json", "best"])
def test_a_damaged_state_is_named_and_the_one_before_is_taken(tmp_path, damaged):
    save(tmp_path, 1)
    (tmp_path / "best").write_text("weights")
    save(tmp_path, 2, best="best")
    path = tmp_path / damaged
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    said = []
    assert checkpoint.load_state(tmp_path, said.append).step == 1
    assert len(said) == 1 and "state-2.json is damaged" in said[0]
    assert not (tmp_path / "state-2.json").exists()  # or it would take a good state's place among those that are kept


def test_without_a_state_there_is_none(tmp_path):
    assert checkpoint.load_state(tmp_path / "nowhere", pytest.fail) is None


def convolutional(layout=CPU.laid_out):
    """A network of two convolutions whose memory can lie channels last, and its optimiser."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.Flatten(), nn.LazyLinear(2))
    model(torch.zeros(1, 3, 8, 8))
    model = layout(model)
    return model, torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)


def convolved(model, optimizer, steps):
    for step in steps:
        model(torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(step))).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()


def test_weights_are_the_same_bytes_whichever_way_they_lie_in_memory(tmp_path):
    for name, layout in (("last", CPU.laid_out), ("first", lambda model: model)):
        checkpoint.save_weights(tmp_path / name, convolutional(layout)[0], {})
    assert (tmp_path / "last").read_bytes() == (tmp_path / "first").read_bytes()
    model, _ = convolutional()
    checkpoint.load_weights(tmp_path / "first", model)
    assert model[2].weight.is_contiguous(memory_format=torch.channels_last) and not model[2].weight.is_contiguous()


def test_a_network_whose_channels_lie_last_continues_from_its_state_in_the_same_bits(tmp_path):
    whole, optimizer = convolutional()
    convolved(whole, optimizer, range(3))
    moments, _ = checkpoint.optimizer_state(whole, optimizer)
    checkpoint.save_state(tmp_path, State(3, {**whole.state_dict(), **moments}, facts(0)), best=None)
    convolved(whole, optimizer, range(3, 6))
    saved = checkpoint.load_state(tmp_path, print).tensors
    ended, optimizer = convolutional()
    ended.load_state_dict({name: saved[name] for name in ended.state_dict()})
    checkpoint.restore_optimizer(ended, optimizer, {name: saved[name] for name in moments})
    assert optimizer.state[ended[2].weight]["exp_avg"].stride() == ended[2].weight.stride()
    convolved(ended, optimizer, range(3, 6))
    assert all(torch.equal(one, other) for one, other in zip(whole.parameters(), ended.parameters(), strict=True))


def test_a_state_s_manifest_is_written_as_before_and_read_without_what_came_later(tmp_path):
    save(tmp_path, 3)
    text = (tmp_path / "state-3.json").read_text()
    content = json.loads(text)
    assert list(content) == ["step", "facts", "files", "seal"]
    assert list(content["facts"]) == ["best", "log_bytes", "log_sha256", "seconds"]  # peak_bytes where it was measured
    manifest = states.read(tmp_path / "state-3.json")
    states.write(tmp_path / "again.json", manifest)
    assert (tmp_path / "again.json").read_text() == text
    (tmp_path / "state-3.json").write_text(text.replace('"step": 3', '"step": 4'))
    assert states.read(tmp_path / "state-3.json") is None


def test_the_room_for_states_is_that_of_two_kept_one_being_written_and_the_best_weights():
    assert checkpoint.state_room(10, 80) == 3 * 10 * (4 + 8) + 10 * 4
