"""Bad input to `bench` and to a benchmark ends with exit code 2 and one sentence that says what to do."""

import re

import pytest

CASES = [
    ("bench stpe", "No such command 'stpe'. Did you mean `step`"),
    ("bench step --rounds 0", "--rounds 0 is out of range. Valid values: whole numbers from 1"),
    ("bench step --threads 0", "--threads 0 is out of range. Valid values: whole numbers from 1"),
    ("bench step --size 10B", r"'10B' means billions of parameters. Did you mean `10M`\?"),
    ("bench step --dataset cifar1000", r"unknown dataset 'cifar1000'. Did you mean `cifar100`\?"),
    ("bench step --image 30", "image=30 is not a multiple of patch=8. Use 6 or 10"),
    ("bench step --batch-size 0", "batch_size=0 is out of range. Use a number above 0"),
    ("bench step --precision fp8", "unknown precision 'fp8'. Valid values"),
    ("bench step --device gpu", "unknown device 'gpu'. Use cuda$"),
    ("bench step --attention-path flsh --device cpu", "unknown attention path 'flsh'. Valid values: plain"),
    (
        "bench attention --tokens 64,0",
        "tokens=64,0 is not a list of counts from 1 to 1,048,576. Use --tokens 64,256,1024",
    ),
    ("bench attention --tokens 1048576 --size 1M --device cpu", "nothing could be measured: at 1,048,576 tokens, "),
    pytest.param(
        "bench step --batch-size 2000000000 --size 1M --dataset digits --device cpu",
        r"vit_classic does not fit into memory \(.*\). Use a smaller --batch-size",
        marks=pytest.mark.slow,
    ),
    (
        "bench step --attention-path fused --device cpu",
        "attention_path=fused: classic attention has no path fused. Valid",
    ),
]
CASES += [
    ("bench step --model nope.py:Net", "nope.py cannot be read"),
    ("bench step --model-args width=8", "model-args has no effect on vit_classic"),
]
OF_BENCHMARKS = [
    ("data --sise 1M", "No such option: --sise.*. See python -m benchmarks.data --help"),
    ("data --seconds -1", "Invalid value for '--seconds': Input should be greater than or equal to 0"),
    ("startup --device mps", "device=mps is unavailable here .* Use --device cpu"),
    ("data --model vit_clasic", r"unknown model 'vit_clasic'. Did you mean `vit_classic`\?"),
    ("data --dataset bach", "bach is not in the cache. Train on it once, or omit --dataset for made images"),
    ("data --dataset digits", "digits is grey, which the loaders here do not support. Omit --dataset"),
    (
        "data --batch-size 1025 --device cpu --size 1M --image 32 --patch 4",
        "batch_size=1025 is more than half of the 2,048 images of the measurement. Use a smaller --batch-size",
    ),
    ("log --sizes 1M,huge", "'huge' is not a parameter budget"),
]


@pytest.mark.parametrize(("line", "sentence"), CASES)
def test_bad_input_ends_with_2_and_a_sentence(call, line, sentence):
    refused(call(line), sentence)


@pytest.mark.parametrize(("line", "sentence"), OF_BENCHMARKS)
def test_bad_input_to_a_benchmark_ends_with_2_and_a_sentence(measure, line, sentence):
    refused(measure(line), sentence)


def refused(ended, sentence):
    errors = [text for text in ended.err.splitlines() if text.startswith("error: ")]
    assert (ended.code, ended.out, len(errors)) == (4 if "into memory" in sentence else 2, "", 1)
    assert re.search(sentence, errors[0])


def test_without_a_kind_the_help_lists_them(call):
    ended = call("bench")
    assert ended.code == 2
    assert all(f" {kind} " in ended.out + ended.err for kind in ("step", "attention"))
    assert not any(f" {kind} " in ended.out + ended.err for kind in ("data", "log", "startup"))
