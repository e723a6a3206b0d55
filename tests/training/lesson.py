"""A training of a few seconds, which a test can run as a process and kill: python lesson.py DATA RUN [resume]."""

import sys
from pathlib import Path

import numpy as np
import torch

from kunstkammer.data.plates import make_plates
from kunstkammer.data.readers import read
from kunstkammer.training.fit import Fit, fit, recipe_model
from kunstkammer.training.recipe import Recipe

SETTINGS = {
    "name": "lesson",
    "seed": 3,
    "picture": {"size": 32, "channels": "grey"},
    "augmentation": [{"name": "rotation", "degrees": 10}, {"name": "color-jitter", "brightness": 0.2}],
    "model": {"name": "sketchnet", "dropout": 0.5, "options": {"stages": [[4, 4], [8]], "dense": 8}},
    "training": {
        "epochs": 6,
        "batch_size": 4,
        "optimizer": {"name": "adamw", "learning_rate": 0.01, "weight_decay": 0.01},
        "schedule": {"name": "one-cycle"},
        "checkpoint_seconds": 0.001,
    },
}


def learn(data: str | Path, run: str | Path, *, resume: bool = False, **changes) -> Fit:
    """Train by the recipe above, `changes` by dotted key with "__" for the dot."""
    recipe = Recipe.load(SETTINGS, {key.replace("__", "."): value for key, value in changes.items()})
    collection = read(data)
    model, geometry = recipe_model(recipe, collection.label_names, collection.multi_label)
    plates = make_plates(collection, geometry.plate, show_progress=False)
    order = np.random.default_rng(0).permutation(len(collection))
    held_out = len(order) // 4
    Path(run).mkdir(exist_ok=True)
    return fit(
        recipe,
        model,
        geometry,
        plates=plates,
        targets=collection.targets(),
        train=order[held_out:],
        validation=order[:held_out],
        run=Path(run),
        resume=resume,
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    learn(sys.argv[1], sys.argv[2], resume="resume" in sys.argv)
