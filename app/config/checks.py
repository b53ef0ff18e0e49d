"""Checks of combinations of settings, which no single declaration can make. Each error states what to do."""

from __future__ import annotations

from .. import task
from ..errors import NO_TEXT, InputError, is_text
from ..tables import augmentations, own, revisions
from ..tables.models import DEFAULT_MODEL, MODELS, TIMM, ModelRow
from ..tables.optimizers import EPS, OPTIMIZERS, Betas, are_new_shares, kept_shares, spelled_betas, takers
from ..tables.reading import reading_of
from ..tables.shape import Extent, smaller
from ..tables.sizes import TOLERANCE, budget, parse_size
from . import effects, sizing
from .settings import Data, Model, Recipe, Revisions, flag
from .sizing import Sized

NAME_BYTES = 255  # bytes of one file name, on Linux's and macOS's file systems
SUFFIX_BYTES = len("._best_predictions.parquet.4194304.aside")  # the longest that files of a run add to its stem


def check_model(model: Model, sized: Sized) -> None:
    """Raise InputError for a model that cannot be built."""
    row = sized.row
    if row.name.startswith(TIMM) and model.size != row.name:
        raise InputError(f"{row.name} has one size. Omit --size")
    if model.attention is not None:
        _check_attention(row, model.attention)
    _check_file(model, row)
    effects.require_on_model(vars(model), row, sized.family)
    sized.family.check(sized.shape)


def _check_file(model: Model, row: ModelRow) -> None:
    """Raise InputError unless the digest of a user's file is that in the model's name, and no other model has one."""
    named = row.name.rpartition("-")[2] if row.family == own.FAMILY else None
    if (model.model_sha256 or "")[:8] != (named or ""):
        raise InputError(
            f"model_sha256={model.model_sha256} is not the digest in model={model.model}. Name the model as "
            "FILE.py:NAME"
        )


def _check_attention(row: ModelRow, attention: str) -> None:
    """Raise InputError for an attention that would turn this model into another model of the study."""
    more = ("differential_v2",) if row.name == DEFAULT_MODEL else ()
    if not row.sized or attention in (row.attention, *more):
        return
    having = (model.name for model in MODELS.values() if model.attention == attention)
    other = next(having, DEFAULT_MODEL)
    raise InputError(f"attention={attention} is unavailable for model={row.name}. Use --model {other}")


def check_revisions(revised: Revisions, row: ModelRow) -> None:
    """Raise InputError for a revision that this version does not know."""
    row.left_at(revised.model_revision)
    for name in revisions.KNOWN:
        revisions.require_known(name, getattr(revised, name))


def check_decoding(data: Data, revision: int) -> None:
    """Raise InputError for a choice that an earlier rule of decoding does not have."""
    if data.bit_depth is not None and revision == 1:
        raise InputError(f"bit_depth={data.bit_depth} has no effect at decoding_revision=1. Omit it")


def check_data(data: Data, *, image: Extent) -> None:
    """Raise InputError for data that the settings do not fit."""
    side = smaller(image, data.native)
    if data.classes < task.of(data.task).least_outputs:
        raise InputError(
            f"the dataset {data.dataset} has {data.classes} class. At least 2 are needed: add a class, or choose "
            "another dataset"
        )
    augmentations.check(data.augment, square=isinstance(side, int), channels=data.channels)
    check_folds(data)
    effects.require_on_data(vars(data), dataset=data.dataset, kind=effects.kind_of(data.dataset))
    reading_of(vars(data))


def check_folds(data: Data) -> None:
    """Raise InputError for a fold that does not exist, and for settings of folds without their number."""
    folds, fold = data.folds, data.fold
    if folds is None:
        for name, value in (("fold", fold), ("repeat", data.repeat or None)):
            if value is not None:
                raise InputError(f"{name}={value} has no effect without folds. Give --folds, or omit --{name}")
        return
    if fold is None:
        raise InputError(
            f"folds={folds} names no fold to test on. Use fold=0 to fold={folds - 1}. `train` and `study` without a "
            "fold train one run per fold"
        )
    if fold >= folds:
        raise InputError(f"fold={fold} does not exist in {folds} folds. Use fold=0 to fold={folds - 1}")
    if data.test_fraction or data.test_split:
        raise InputError(
            f"folds={folds} and --test-fraction or --test-split both choose the test rows. Omit one of them"
        )


def check_recipe(recipe: Recipe, *, task: str) -> None:
    """Raise InputError for a training setting that does not fit the task."""
    if not recipe.epochs:
        _check_untrained(recipe)
    _check_loss(recipe, task=task)
    _check_optimizer(recipe)
    if recipe.lr_min and recipe.schedule == "constant":
        raise InputError(f"lr_min={recipe.lr_min:g} has no effect with --schedule constant. Omit --lr-min")
    if recipe.lr_min and recipe.lr_min >= recipe.lr:
        raise InputError(f"lr_min={recipe.lr_min:g} is not below lr={recipe.lr:g}. Use a smaller --lr-min")
    _check_mixing(recipe)
    if recipe.precision != "auto":
        check_stream(recipe.residual_precision, computed_in=recipe.precision)
    if recipe.init_sha256 and recipe.pretrained:
        raise InputError("--init and --pretrained both choose the weights that training starts from. Omit one of them")


def check_stream(residual_precision: str, *, computed_in: str) -> None:
    """Raise InputError for a bf16 residual stream in a run that does not compute in bf16."""
    if residual_precision == "bf16" != computed_in:
        raise InputError(
            f"residual_precision=bf16 has no effect on a run that computes in {computed_in}. Give --precision bf16 "
            "too, or --residual-precision fp32"
        )


def _check_untrained(recipe: Recipe) -> None:
    """Raise InputError for a run of 0 epochs that has no weights to test, or an average of none."""
    if not (recipe.init_sha256 or recipe.pretrained):
        raise InputError(
            "epochs=0 is out of range. Use a number above 0, or test the weights of --init or --pretrained as they are"
        )
    if recipe.ema is not None:
        raise InputError(f"ema={recipe.ema:g} has no effect with epochs=0. Omit --ema")


def _check_mixing(recipe: Recipe) -> None:
    """Raise InputError for a setting of mixing without effect."""
    used = [name for name in ("mixup", "cutmix") if getattr(recipe, name)]
    given = {"mix_prob": 1.0, "mix_switch": 0.5, "mix_mode": "batch", "mix_epochs": None}
    changed = [name for name, default in given.items() if getattr(recipe, name) != default]
    for name in changed:
        option = flag(name)
        if not used:
            raise InputError(
                f"{name}={getattr(recipe, name)} has no effect without mixing. Give --mixup or --cutmix, or omit "
                f"{option}"
            )
        if name == "mix_switch" and len(used) == 1:
            raise InputError(
                f"mix_switch={recipe.mix_switch} has no effect with {flag(used[0])} alone. Give --mixup and --cutmix, "
                f"or omit {option}"
            )
    if used and recipe.batch_size == 1:
        raise InputError(
            f"{used[0]}={getattr(recipe, used[0]):g} has no effect with batch_size=1, since an example is mixed with "
            f"another of its batch. Use a larger --batch-size, or omit {flag(used[0])}"
        )
    if recipe.mix_epochs is not None and recipe.mix_epochs >= recipe.epochs:
        raise InputError(
            f"mix_epochs={recipe.mix_epochs} does not end before epochs={recipe.epochs}, so it has no effect. Use a "
            "smaller number, or omit --mix-epochs"
        )


def _check_loss(recipe: Recipe, *, task: str) -> None:
    """Raise InputError for a training loss that does not fit the task."""
    defaults = {"class_weights": "none", "label_smoothing": 0.0, "loss": "cross_entropy", "best_by": "loss"}
    given = [name for name, default in defaults.items() if getattr(recipe, name) != default]
    if given and task == "regression":
        name = given[0]
        raise InputError(f"{name}={getattr(recipe, name)} has no effect on a regression. Omit {flag(name)}")
    if recipe.loss == "bce" and recipe.class_weights != "none":
        raise InputError(
            f"class_weights={recipe.class_weights} weights the cross-entropy, not loss=bce. Omit --class-weights, or "
            "use --loss cross_entropy"
        )


def _check_optimizer(recipe: Recipe) -> None:
    """Raise InputError for a number that the optimiser does not take, or that does not fit it."""
    row = OPTIMIZERS[recipe.optimizer]
    given = {"betas": recipe.betas, "momentum": recipe.momentum, "nesterov": recipe.nesterov}
    given |= {} if recipe.eps == EPS else {"eps": recipe.eps}
    for name, value in given.items():
        if value is not None and name not in row.takes:
            raise InputError(
                f"{flag(name)} has no effect with --optimizer {row.name}. It is for {', '.join(takers(name))}. Omit it"
            )
    if recipe.betas and row.betas:
        _check_betas(recipe.betas, row.name, row.betas)
    if recipe.nesterov and recipe.momentum == 0:
        raise InputError("nesterov=True has no effect with momentum=0. Use a larger --momentum, or --no-nesterov")


def _check_betas(betas: Betas, optimizer: str, own: Betas) -> None:
    """Raise InputError for too few or too many betas, or if they are shares of new information."""
    if len(betas) != len(own):
        raise InputError(
            f"betas={spelled_betas(betas)} has {len(betas)} number{'s' * (len(betas) > 1)}, and {optimizer} takes "
            f"{len(own)}. Write --betas {spelled_betas(own)}, for example"
        )
    if len(own) > 2 and are_new_shares(betas):
        raise InputError(
            f"betas={spelled_betas(betas)} are shares of new information, and --betas are the shares that a step "
            f"keeps. Write --betas {spelled_betas(kept_shares(betas))}"
        )


def check_size(sized: Sized) -> None:
    """Raise InputError if the shape's count is more than 5 % off its budget.

    Rows of the size table and models that are named without a size are not checked.
    """
    if sized.whole:
        return
    if sized.size != (spelled := parse_size(sized.size)):
        raise InputError(f"size={sized.size} is not written in its shortest form. Use {spelled}")
    if sized.tabled or not sized.countable or abs(sized.missed_by) <= TOLERANCE:
        return
    family, shape = sized.family, sized.shape
    grown = {"d_model": shape.d_model, sizing.axis_of(family, shape).name: getattr(shape, family.growth)}
    near = sizing.nearest(family, shape, budget(sized.size))
    cells = " ".join(f"{name}={value}" for name, value in grown.items() if value is not None)
    raise InputError(
        f"size={sized.size} does not fit {cells}: this shape has {sized.parameters:,} parameters "
        f"({100 * sized.missed_by:+.1f} %), and 5 % is allowed. Reachable sizes: "
        f"{sizing.reachable(family, shape, near)}. Use one of them"
    )


def run_stem(*, run_id: str, size: str, dataset: str) -> str:
    """Return the name that all files of a run begin with."""
    return f"model_{run_id}_{file_part(size)}_{file_part(dataset)}"


def file_part(name: str) -> str:
    """Return a dataset or model as the names of files and folders spell it: `owner--name`, `timm--resnet18`."""
    return name.replace("/", "--")


def check_name(dataset: str, *, size: str = "1M") -> None:
    """Raise InputError for a dataset or a size, possibly a model's name, that makes file names too long."""
    if not is_text(dataset):
        raise InputError(f"the dataset {dataset} cannot be used: {NO_TEXT}")
    stem = run_stem(run_id="0" * 8, size=size, dataset=dataset)
    over = len(stem.encode(errors="surrogateescape")) + SUFFIX_BYTES - NAME_BYTES
    if over > 0:
        if len(size) > len(dataset):
            raise InputError(
                f"the name {size[:40]}... makes a run's file names {NAME_BYTES + over} bytes long. {NAME_BYTES} "
                "bytes are allowed. Use another model or size"
            )
        raise InputError(
            f"the dataset's name {dataset} makes a run's file names {NAME_BYTES + over} bytes long. {NAME_BYTES} "
            f"bytes are allowed. Rename {'its folder' if dataset.startswith('local/') else 'it'}"
        )
