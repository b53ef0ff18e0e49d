"""What memory that ran out is, in torch's own words."""

import pytest
import torch

from app.errors import OutOfMemory, failure_of, is_out_of_memory


def test_a_tensor_that_no_memory_holds_is_memory_that_ran_out():
    for shape in ((1 << 50,), (1 << 62, 4)):
        with pytest.raises(RuntimeError) as caught:
            torch.empty(shape)
        assert is_out_of_memory(caught.value) and isinstance(failure_of(caught.value), OutOfMemory)


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: out of memory", "MPS backend out of memory (of 9 GB)", "cuBLAS: CUBLAS_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED", "not enough memory: you tried to allocate 9 bytes",
    ],
)  # fmt: skip
def test_so_is_every_sentence_of_torch_s_about_it(text):
    class AcceleratorError(RuntimeError):
        pass

    assert is_out_of_memory(RuntimeError(text)) and is_out_of_memory(AcceleratorError(text))


@pytest.mark.parametrize(
    "error", [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ValueError("out of memory")]
)
def test_another_error_is_not(error):
    assert not is_out_of_memory(error) and failure_of(error) is None
