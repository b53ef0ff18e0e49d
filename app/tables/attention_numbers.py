"""The numbers of `attention`, a row each: of maps, of tokens and activations, and of images among distractors."""

from __future__ import annotations

import math
from typing import NamedTuple


class Number(NamedTuple):
    """A number of one image in one layer, which `models.attention.measures` defines."""

    name: str
    title: str  # the head of a column
    kind: str  # map | activation | check | canvas, which is of all images among distractors | patched


NUMBERS = {
    each.name: each
    for each in (
        Number("row_sum", "row sum", "map"),
        Number("lambda", "lambda", "map"),
        Number("negative_mass", "negative", "map"),
        Number("cancelled_mass", "cancelled", "map"),
        Number("similarity", "similarity", "map"),
        Number("entropy", "entropy", "map"),
        Number("effective_keys", "keys", "map"),
        Number("head_distance", "head distance", "map"),
        Number("outlier_tokens", "outlier tokens", "activation"),
        Number("token_norm_ratio", "norm max", "activation"),
        Number("outlier_attention", "received", "activation"),
        Number("logit_max", "logit max", "activation"),
        Number("logit_q999", "logit q999", "activation"),
        Number("hidden_max", "hidden max", "activation"),
        Number("hidden_q999", "hidden q999", "activation"),
        Number("sum_error", "sum error", "check"),
        Number("path_difference", "path difference", "check"),
        Number("share", "D", "canvas"),
        Number("share_first", "A1", "canvas"),
        Number("share_second", "A2", "canvas"),
        Number("share_clean", "D, clean", "patched"),
        Number("share_first_clean", "A1, clean", "patched"),
        Number("share_second_clean", "A2, clean", "patched"),
        Number("share_at_0", "D, lambda x 0", "canvas"),
        Number("share_at_0.5", "D, lambda x 0.5", "canvas"),
        Number("share_at_1.5", "D, lambda x 1.5", "canvas"),
        Number("uniform", "uniform", "patched"),
        Number("correct", "correct", "canvas"),
        Number("correct_at_0", "correct, lambda x 0", "canvas"),
        Number("correct_at_0.5", "correct, lambda x 0.5", "canvas"),
        Number("correct_at_1.5", "correct, lambda x 1.5", "canvas"),
    )
}
FACTORS = (0.0, 0.5, 1.5)  # of lambda, in addition to 1
MOST_DISTRACTORS = 8
USUAL_ROWS = 512  # test images
ROUNDING = 1e-5  # relative to a number: less variation over images is that of sums in float32
EXACT = 1e-5  # largest difference between the path of training and the plain path
EVERY = -1  # the layer of numbers that are of all layers together

_WIDEST = {
    **dict.fromkeys(("negative_mass", "cancelled_mass", "entropy", "outlier_tokens", "outlier_attention"), 1.0),
    **dict.fromkeys(("similarity", "head_distance"), 2.0),  # of a cosine
}


def of_kind(kind: str) -> tuple[str, ...]:
    """Return the names of the numbers of a kind."""
    return tuple(name for name, each in NUMBERS.items() if each.kind == kind)


def widest(name: str) -> float:
    """Return the largest possible difference of two values of a number: 1 of shares, infinity if there is none."""
    shares = NUMBERS[name].kind in ("canvas", "patched")
    return 1.0 if shares else _WIDEST.get(name, math.inf)
