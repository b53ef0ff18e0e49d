"""What memory that ran out is, in torch's own words."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from app.errors import DiskFull, OutOfMemory, failure_of, is_out_of_memory, wrong_path


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


@pytest.mark.parametrize("error", [
    ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    OSError("libcudart.so.13: cannot allocate memory"), OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
    RuntimeError("can't start new thread"), RuntimeError("could not create a primitive"), MemoryError(),
])  # fmt: skip
def test_no_memory_for_a_library_or_a_thread_is_memory_that_ran_out(error):
    assert is_out_of_memory(error) and "emory" in str(failure_of(error))


@pytest.mark.parametrize("error", [
    ImportError("libtorch_cpu.so: cannot open shared object file: No such file or directory"),
    ImportError("libgomp.so.1: cannot allocate memory in static TLS block"), ModuleNotFoundError("No module named 'x'"),
    RuntimeError("could not create a primitive descriptor for a matmul"),
])  # fmt: skip
def test_a_library_that_is_missing_or_fails_otherwise_is_not(error):
    assert not is_out_of_memory(error) and failure_of(error) is None


@pytest.mark.parametrize(
    "command",
    [
        "train --dataset digits --epochs 1",
        *(
            pytest.param(command, marks=pytest.mark.slow)
            for command in ("evaluate .", "plan --dataset digits", "doctor")
        ),
    ],
)
def test_a_process_whose_limit_is_too_small_for_torch_ends_with_a_sentence(tmp_path, command):
    def limited():
        resource.setrlimit(resource.RLIMIT_AS, (700_000_000, 700_000_000))

    run_py = str(Path(__file__).parents[1] / "run.py")
    done = subprocess.run(
        [sys.executable, run_py, *command.split()], cwd=tmp_path, capture_output=True, text=True, timeout=120,
        check=False, preexec_fn=limited, env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert "Traceback" not in done.stderr and "internal error" not in done.stderr
    assert done.returncode == 2 if command.startswith("evaluate") else done.returncode == 4
    assert command.startswith("evaluate") or "ulimit -v" in done.stderr


def test_a_name_that_is_too_long_is_shown_in_part():
    name = "n" * 300
    with pytest.raises(OSError, match="too long") as caught:
        Path(name, "file").stat()
    said = wrong_path(caught.value)
    assert "300 bytes" in said and name not in said and wrong_path(ValueError("x")) == ""


def test_a_name_that_is_no_utf_8_is_a_wrong_path_and_another_error_of_letters_is_not():
    with pytest.raises(UnicodeEncodeError) as caught:
        "caf\udce9/x".encode()
    assert "not UTF-8" in wrong_path(caught.value)
    with pytest.raises(UnicodeEncodeError) as caught:
        "é".encode("ascii")
    assert wrong_path(caught.value) == ""


def test_an_error_without_a_path_is_no_wrong_path():
    assert wrong_path(OSError(errno.EINVAL, "invalid")) == "" and wrong_path(OSError("no number")) == ""
    assert isinstance(failure_of(OSError(errno.ENOSPC, "full", "/proc/x")), DiskFull)
