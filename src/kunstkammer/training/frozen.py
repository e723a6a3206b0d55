"""Frozen features from end to end: features once, a linear head on them, an ordinary checkpoint of both."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kunstkammer.models.devices import answer_exactly, choose_device
from kunstkammer.models.features import kept_features
from kunstkammer.models.memory import keep_freed_memory
from kunstkammer.progress import say
from kunstkammer.training.fit import Fit, write_checkpoint, write_history
from kunstkammer.training.linear_head import LinearHead, fit_head, put_head

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from kunstkammer.data.plates import Plates
    from kunstkammer.models.geometry import PictureGeometry
    from kunstkammer.training.recipe import Recipe


@dataclass(frozen=True)
class FrozenFit(Fit):
    """What fitting a head on frozen features came to: a `Fit` without epochs, and the head."""

    head: LinearHead


def fit_frozen(
    recipe: Recipe,
    model: PreTrainedModel,
    geometry: PictureGeometry,
    *,
    plates: Plates,
    contents: Sequence[str],
    targets: np.ndarray,
    rows: np.ndarray,
    groups: np.ndarray,
    run: Path,
    device: str | None = None,
) -> FrozenFit:
    """Fit a linear head on the features of `rows` and write backbone and head to `run` as an ordinary checkpoint.

    Features that an earlier run of the same backbone computed of the same contents are taken from the cache. There is
    no validation part of its own: the strength of the head is chosen by cross-validation over all `rows`.

    Args:
        recipe: `learning.linear_head`, `class_weights` and the seed are what counts of it; features are always float32.
        model, geometry: from `recipe_model`.
        plates: the decoded pictures; `contents` the SHA-256 of each; `targets` int64 (N,) or float32 (N, K).
        rows: which of them are learnt from; `groups` int (N,), pictures of one group stay in one fold.
        run: the run folder, which exists.
        device: where the features are computed, as for `models.devices.choose_device`.

    Raises:
        KunstkammerError: where the features are no numbers, only one class is there, or the disk refuses.
    """
    keep_freed_memory()
    start = time.perf_counter()
    place = choose_device(device)
    answer_exactly(place)  # the head is fitted on what it will be given
    model.to(place).eval()
    if recipe.training.precision == "bf16":
        say("Frozen features are computed in float32 all the same: the head must be fitted on what it will be given.")
    features = kept_features(
        model,
        geometry,
        plates,
        rows,
        contents,
        on_new=lambda new: say(f"Features of {new} pictures are new; {len(rows) - new} are known."),
    )
    settings = recipe.classification.linear_head
    head = fit_head(
        features,
        targets[rows],
        model.config.num_labels,
        groups=groups[rows],
        strengths=settings.strengths,
        folds=settings.folds,
        class_weights=recipe.classification.class_weights,
        seed=recipe.seed,
    )
    if head.scores:
        say(f"Linear head: C = {head.strength:g}, log loss {head.scores[head.strength]:.4f} over {head.folds} folds.")
    put_head(model, head)
    write_checkpoint(run, model.cpu(), geometry)
    write_history(run, [])
    learnt = head.weight.size + head.bias.size
    return FrozenFit([], 0, False, time.perf_counter() - start, learnt, head)
