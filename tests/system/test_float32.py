"""fp32 is fp32: TF32 is off in products and convolutions, on every device, unless it is asked for."""

import pytest
import torch

from app import place
from app.config.facts import dataset_facts
from app.config.run import resolve
from app.errors import InputError
from app.system import float32
from app.tables.datasets import DATASETS

GPU, CPU = torch.device("cuda"), torch.device("cpu")


def allowed():
    """Whether TF32 is allowed in products and in convolutions."""
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.fixture(autouse=True)
def _as_before():
    with float32.kept():
        yield


@pytest.fixture
def gpu(monkeypatch):
    """Lets torch have a GPU of a compute capability, on which nothing is computed."""

    def of(*capability):
        monkeypatch.setattr("torch.cuda.get_device_capability", lambda _=None: capability)
        monkeypatch.setattr("torch.cuda.is_available", lambda: True)
        empty = torch.empty
        monkeypatch.setattr(torch, "empty", lambda *sizes, device=None, **more: empty(*sizes, **more))

    return of


@pytest.mark.parametrize("before", [(False, True), (True, True), (False, False)])
@pytest.mark.parametrize(
    ("capability", "precision", "found"),
    [
        ((7, 0), "auto", "fp32"), ((7, 5), "auto", "fp32"), ((8, 0), "auto", "bf16"), ((9, 0), "auto", "bf16"),
        ((7, 5), "fp32", "fp32"), ((9, 0), "fp32", "fp32"), ((12, 0), "bf16", "bf16"), ((8, 6), "tf32", "tf32"),
    ],
)  # fmt: skip
def test_tf32_is_off_in_products_and_convolutions_unless_it_is_asked_for(gpu, capability, precision, found, before):
    gpu(*capability)
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
    chosen = place.choose(device="cuda", precision=precision)
    assert chosen.precision == found and allowed() == (found == "tf32",) * 2


def test_a_run_on_a_cpu_sets_it_too_since_the_next_may_be_on_a_gpu_of_the_same_process():
    torch.backends.cudnn.allow_tf32 = True
    assert place.choose(device="cpu").precision == "fp32" and allowed() == (False, False)


@pytest.mark.parametrize("capability", [(6, 1), (7, 0), (7, 5)])
def test_tf32_on_a_gpu_without_it_is_refused_and_an_evaluation_computes_in_full(gpu, capability):
    gpu(*capability)
    with pytest.raises(InputError, match=r"--precision tf32 is unavailable on cuda. .* Use --precision fp32"):
        place.choose(device="cuda", precision="tf32")
    assert place.choose(device="cuda", precision="tf32", exact=True).precision == "fp32" and allowed() == (False, False)


def test_tf32_on_a_cpu_is_refused():
    with pytest.raises(InputError, match="--precision tf32 is unavailable on cpu"):
        place.choose(device="cpu", precision="tf32")


def test_what_is_computed_within_leaves_torch_as_it_was():
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = True, True
    with place.own_threads():
        place.choose(device="cpu", precision="fp32")
        assert allowed() == (False, False)
    assert allowed() == (True, True)


def test_the_precision_is_part_of_the_id_as_it_is_given():
    facts = dataset_facts(DATASETS["digits"])
    names = {p: resolve({"precision": p}, facts).run_id for p in ("auto", "fp32", "bf16", "tf32")}
    assert len(set(names.values())) == 4 and names["auto"] == resolve({}, facts).run_id
