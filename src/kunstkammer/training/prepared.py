"""What a training learns from: the plain plates, or prepared ones of training and validation where the recipe says so.

The test part is never prepared: it measures what a model that learned from, say, drawings knows of the pictures as they
are. So the checkpoint's own plate settings stay plain.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from kunstkammer.errors import KunstkammerError
from kunstkammer.pictures.preparation import build_preparation

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection
    from kunstkammer.data.plates import Plates
    from kunstkammer.data.survey import Survey
    from kunstkammer.training.parts import Parts
    from kunstkammer.training.recipe import Recipe


@dataclass(frozen=True)
class TrainingData:
    """What is learnt from.

    Attributes:
        plates: the decoded pictures; `targets` has a row for each.
        rows: which picture of the collection each of them is.
        train, validation: places in `plates`.
    """

    plates: Plates
    rows: np.ndarray
    targets: np.ndarray
    train: np.ndarray
    validation: np.ndarray


def material(collection: Collection, seen: Survey, parts: Parts, recipe: Recipe) -> TrainingData:
    """Return the plates that a recipe learns from; no more pictures are prepared than are learned from."""
    from kunstkammer.data.plates import make_plates

    if seen.plates is None:
        raise KunstkammerError("The plates could not be made.")
    targets, train, validation = collection.targets(), parts.indices("train"), parts.indices("validation")
    preparation = build_preparation(recipe.picture.preparation)
    if preparation is None:
        return TrainingData(seen.plates, np.arange(len(targets)), targets, train, validation)
    rows = np.sort(np.concatenate([train, validation]))
    settings = replace(seen.plates.settings, preparation=preparation.key)
    plates = make_plates(collection.select(rows), settings)
    return TrainingData(plates, rows, targets[rows], np.searchsorted(rows, train), np.searchsorted(rows, validation))


def preparation_note(recipe: Recipe) -> list[str]:
    """Return the sentence that report and card say of a preparation, none where there is none."""
    preparation = build_preparation(recipe.picture.preparation)
    if preparation is None:
        return []
    return [
        f"The pictures of training and validation were prepared: {preparation.sentence}. Those of the test were not."
    ]
