"""The one registry: a kind and a name -> a thing. `kunstkammer list KIND` prints it.

A member is one function or class with one decorator:

    @register("losses", "focal", "Focal loss (Lin et al. 2017, section 3)")
    def focal(...): ...

The modules that hold the members of a kind are named in `HOMES` and imported when the kind is first asked for, so
that nothing heavy is loaded by `import kunstkammer`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from kunstkammer.errors import KunstkammerError, unknown_name

T = TypeVar("T")

HOMES: dict[str, tuple[str, ...]] = {
    "augmentations": ("kunstkammer.pictures.augment", "kunstkammer.pictures.drawing"),
    "cartoons": ("kunstkammer.pictures.cartoon.presets",),
    "drawings": ("kunstkammer.data.drawn.comics", "kunstkammer.data.drawn.faces.collection"),
    "adaptations": ("kunstkammer.training.adaptations",),
    "models": ("kunstkammer.models.catalogue",),
    "preparations": ("kunstkammer.pictures.preparation",),
    "texts": ("kunstkammer.models.texts",),
    "losses": ("kunstkammer.training.losses",),
    "recipes": ("kunstkammer.training.recipe",),
    "metrics": ("kunstkammer.metrics.classification",),
    "explainers": (
        "kunstkammer.explanation.gradient",
        "kunstkammer.explanation.smoothgrad",
        "kunstkammer.explanation.integrated",
        "kunstkammer.explanation.grad_cam",
        "kunstkammer.explanation.occlusion",
        "kunstkammer.explanation.rules.by_gradient",
        "kunstkammer.explanation.rules.lrp",
        "kunstkammer.explanation.patterns.methods",
        "kunstkammer.explanation.rules.composite",
        "kunstkammer.explanation.rules.attention",
        "kunstkammer.explanation.rules.guided_grad_cam",
        "kunstkammer.explanation.rules.deep_taylor",
        "kunstkammer.explanation.prediction_difference",
        "kunstkammer.explanation.attention",
    ),
    "changes": ("kunstkammer.pictures.changes",),
    "jobs": ("kunstkammer.web.jobs.explain_all",),
}

SINGULAR = {
    "augmentations": "augmentation",
    "cartoons": "cartoon preset",
    "drawings": "kind of drawing",
    "adaptations": "adaptation",
    "models": "model",
    "preparations": "preparation",
    "texts": "kind of text features",
    "losses": "loss",
    "recipes": "recipe",
    "metrics": "metric",
    "explainers": "explainer",
    "changes": "kind of change",
    "jobs": "kind of job",
}


@dataclass(frozen=True)
class Entry:
    """One registered thing: its name, what it is in one line, and the thing itself."""

    name: str
    summary: str
    thing: Any


_entries: dict[str, dict[str, Entry]] = {kind: {} for kind in HOMES}


def register(kind: str, name: str, summary: str) -> Callable[[T], T]:
    """Return a decorator that files a thing under `kind` and `name`; a second claim on a name raises."""

    def claim(thing: T) -> T:
        shelf = _entries[kind]
        if name in shelf and shelf[name].thing is not thing:
            raise KunstkammerError(f"The {SINGULAR[kind]} '{name}' is registered twice; give one of them another name.")
        shelf[name] = Entry(name, summary, thing)
        return thing

    return claim


def entries(kind: str) -> list[Entry]:
    """Return all members of a kind, sorted by name. Unknown kinds raise `UnknownNameError`."""
    if kind not in HOMES:
        raise unknown_name("kind of thing to list", kind, HOMES)
    for module in HOMES[kind]:
        importlib.import_module(module)
    return sorted(_entries[kind].values(), key=lambda entry: entry.name)


def names(kind: str) -> list[str]:
    """Return the names of a kind, sorted."""
    return [entry.name for entry in entries(kind)]


def get(kind: str, name: str) -> Any:
    """Return the thing registered under `kind` and `name`, or raise `UnknownNameError` with the nearest guess."""
    for entry in entries(kind):
        if entry.name == name:
            return entry.thing
    raise unknown_name(SINGULAR[kind], name, names(kind))
