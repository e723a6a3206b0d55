"""What is trained in the benchmarks: two networks, each with its recipe and the plates of the user's collection."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.contest import Options
from kunstkammer.data.plates import Plates, make_plates
from kunstkammer.data.readers import read
from kunstkammer.errors import DataError
from kunstkammer.training.fit import recipe_model
from kunstkammer.training.recipe import Recipe, built_in_recipes

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from kunstkammer.data.collection import Collection
    from kunstkammer.models.geometry import PictureGeometry

BATCH = 32
SKETCHNET, RESNET = "SketchNet, 120 px grey", "ResNet-18, 128 px colour"

EMOTION_AUGMENTATION: list[dict[str, Any]] = [
    {"name": "color-jitter", "brightness": [0.8, 1.2], "contrast": [0.9, 1.1]},
    {"name": "horizontal-flip"},
    {"name": "rotation", "degrees": 15},
    {"name": "crop", "padding": 0.1},
    {"name": "erasing", "probability": 0.5},
]
"""Augmentation of the kind that system B uses, for the ResNet where no built-in recipe brings its own."""


@dataclass(frozen=True)
class Subject:
    """A network, its recipe, and pictures in whole batches, so that every contestant does the same steps.

    Attributes:
        name: as the table says it.
        recipe: batch 32, no early stopping, otherwise as built in.
        collection: the pictures.
        plates: their plates.
        targets: int64 (N,).
    """

    name: str
    recipe: Recipe
    collection: Collection
    plates: Plates
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.collection)

    @property
    def batch(self) -> int:
        """How many pictures a step takes."""
        return self.recipe.training.batch_size

    def model(self) -> tuple[PreTrainedModel, PictureGeometry]:
        """Return the network with fresh weights, and how its pictures are prepared."""
        return recipe_model(self.recipe, self.collection.label_names, self.collection.multi_label)


def sketchnet_recipe() -> Recipe:
    """Return the published recipe of system C."""
    return Recipe.load("anime-cartoon", _COMMON)


def resnet_recipe() -> Recipe:
    """Return comic-manga-best where that is an augmented ResNet-18 at 128 px, else comic-manga with augmentation."""
    if "comic-manga-best" in built_in_recipes():
        best = Recipe.load("comic-manga-best", _COMMON)
        seen = (best.model.name, best.picture.size, best.picture.channels)
        if seen == ("resnet-18", 128, "colour") and best.augmentation:
            return best
    return Recipe.load("comic-manga", {**_COMMON, "augmentation": EMOTION_AUGMENTATION})


_COMMON: dict[str, Any] = {"training.batch_size": BATCH, "training.early_stopping": None}
RECIPES = {SKETCHNET: sketchnet_recipe, RESNET: resnet_recipe}


def sample(collection: Collection, count: int | None) -> Collection:
    """Return `count` pictures evenly spread over a collection, all where it has no more."""
    if count is None or count >= len(collection):
        return collection
    return collection.select(np.linspace(0, len(collection) - 1, count).astype(int))


def pictures(options: Options) -> Collection:
    """Return the user's collection, as many pictures as asked for."""
    return sample(read(options.data), options.pictures)


def make_subject(name: str, options: Options, cache: Path) -> Subject:
    """Return a subject over the user's collection; raise `DataError` where it has several labels a picture."""
    recipe = RECIPES[name]()
    collection = pictures(options)
    if collection.multi_label or not collection.labelled:
        raise DataError(f"{options.data}: the benchmarks train on one label a picture; name a folder of class folders.")
    _, geometry = recipe_model(recipe, collection.label_names, False)
    plates = make_plates(collection, geometry.plate, cache=cache, show_progress=False)
    usable = np.flatnonzero(plates.readable & (collection.targets() >= 0))
    whole = len(usable) // BATCH * BATCH
    if not whole:
        raise DataError(f"{options.data}: {len(usable)} pictures are less than one batch; at least {BATCH} are needed.")
    chosen = usable[np.linspace(0, len(usable) - 1, whole).astype(int)]
    kept = collection.select(chosen)
    return Subject(name, recipe, kept, plates.select(chosen), kept.targets())
