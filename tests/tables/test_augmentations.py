"""Lists of augmentations: equal lists have one spelling, and every fault has a message that says what to do."""

from pathlib import Path

import pytest

from app.config.run import RunConfig
from app.data.transforms import chain
from app.errors import InputError
from app.tables.augmentations import AUGMENTATIONS, AUGMENTS, canonical, check, parts


def test_every_name_is_a_list_of_its_own_and_has_a_transform():
    for name in AUGMENTS:
        assert canonical(name) == name
    assert {*chain._OF_NAME} == {*AUGMENTATIONS}


@pytest.mark.parametrize(
    ("given", "shortest"),
    [("flip_crop+rand", "randaugment"), ("flip_crop+rand:9", "randaugment"), ("randaugment", "randaugment"),
     ("flip_crop+rand:9.0+erasing:0.250", "flip_crop+rand+erasing"), ("rand:7+flip_crop", "rand:7+flip_crop"),
     ("flip_crop+rand:10", "flip_crop+rand:10"), ("cutout:5e-1", "cutout"), ("zoo_rand:14+flip", "zoo_rand+flip")],
)  # fmt: skip
def test_equal_lists_have_one_spelling_and_one_run_id(given, shortest):
    assert canonical(given) == shortest == canonical(shortest)
    runs = [RunConfig.from_strings({"dataset": "cifar10", "augment": text}) for text in (given, shortest)]
    assert runs[0].run_id == runs[1].run_id and runs[0].augment == shortest


def test_order_and_numbers_are_part_of_the_run():
    texts = ["flip+rand", "rand+flip", "rand:8+flip", "none", "randaugment"]
    assert len({RunConfig.from_strings({"dataset": "cifar10", "augment": text}).run_id for text in texts}) == 5


@pytest.mark.parametrize(
    ("text", "says"),
    [("flipcrop", r"Did you mean `flip_crop`\?"), ("flip_crop+", "unknown augment ''"), ("rand:31", "from 0 to 30"),
     ("flip_crop,cutout", r"Join augmentations with \+"),
     ("rand:8.5", "whole number"), ("rand:x", "'x'"), ("rand:", "''"), ("erasing:nan", "'nan'"),
     ("flip:2", "Use flip"), ("flip+flip", "repeats"), ("flip+flip_crop", "repeats"), ("erasing+flip", "last"),
     ("erasing+erasing_noise", "repeats"), ("none+flip", "Use --augment none alone"), ("resized_crop:0", "from 0.01"),
     ("jitter:0", "from 0.01"), ("hue:0", "from 0.01"), ("erasing:0", "from 0.01"), ("erasing_noise:0", "from 0.01")],
)  # fmt: skip
def test_a_fault_is_named_with_what_to_do(text, says):
    with pytest.raises(InputError, match=says):
        parts(text)


def test_square_and_colour_images_are_required_where_needed():
    for name, row in AUGMENTATIONS.items():
        check(name, square=True, channels=3)
        for needed, shape in ((row.square, {"square": False, "channels": 3}),
                              (row.colour, {"square": True, "channels": 1})):  # fmt: skip
            if needed:
                with pytest.raises(InputError, match=f"because of {name}"):
                    check(name, **shape)
            else:
                check(name, **shape)


@pytest.mark.parametrize("dataset", ["nested_cylinder", "diffraction"])
def test_data_that_are_no_images_refuse_every_augmentation(dataset):
    with pytest.raises(InputError, match="--augment has no effect"):
        RunConfig.from_strings({"dataset": dataset, "augment": "flip_crop+erasing"})


def test_digits_refuse_the_zoo_s_operations_and_take_the_others():
    with pytest.raises(InputError, match="three channels"):
        RunConfig.from_strings({"dataset": "digits", "augment": "zoo_rand"})
    assert RunConfig.from_strings({"dataset": "digits", "augment": "rot90+jitter+trivial+erasing_noise"}).augment


def test_the_page_on_data_has_the_table_s_rows():
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    for name, row in AUGMENTATIONS.items():
        number = f"{row.number}, {row.default:g} ({row.least:g} to {row.most:g})" if row.number else ""
        assert f"| `{name}` | {row.does} | {number} | {row.source} |" in page
