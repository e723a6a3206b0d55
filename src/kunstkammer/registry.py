"""The one registry: a kind and a name -> a thing. `kunstkammer list KIND` prints it.

A member is one function or class with one decorator:

    @register("losses", "focal", "Focal loss (Lin et al. 2017, section 3)")
    def focal(...): ...

What others need to know of a member (an explainer's family and cost) goes with it, as a small dataclass of its kind:

    @register("explainers", "occlusion", "How far the logit falls ...", ExplainerFacts("windows", cost="many"))

so that there is no second list of the same names anywhere.

The modules that hold the members of a kind are named in `HOMES` and imported when the kind is first asked for, so
that nothing heavy is loaded by `import kunstkammer`.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from kunstkammer.errors import KunstkammerError, UnknownNameError, unknown_name

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
        "kunstkammer.explanation.rules.by_gradient",
        "kunstkammer.explanation.grad_cam",
        "kunstkammer.explanation.rules.guided_grad_cam",
        "kunstkammer.explanation.occlusion",
        "kunstkammer.explanation.prediction_difference",
        "kunstkammer.explanation.rules.lrp",
        "kunstkammer.explanation.rules.composite",
        "kunstkammer.explanation.rules.deep_taylor",
        "kunstkammer.explanation.patterns.methods",
        "kunstkammer.explanation.attention",
        "kunstkammer.explanation.rules.attention",
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


class Facts(Protocol):
    """What a member of a kind carries beside its summary: a frozen dataclass of that kind."""

    def to_json(self) -> dict[str, Any]:
        """Return what `kunstkammer list --json` says of it; values that are text stand in the list for people too."""
        ...


@dataclass(frozen=True)
class Entry:
    """One registered thing: its name, what it is in one line, the thing itself, and what others need to know of it."""

    name: str
    summary: str
    thing: Any
    facts: Facts | None = None
    number: int = 0


_entries: dict[str, dict[str, Entry]] = {kind: {} for kind in HOMES}
_missing: dict[str, list[str]] = {kind: [] for kind in HOMES}
_count = itertools.count()


def register(kind: str, name: str, summary: str, facts: Facts | None = None) -> Callable[[T], T]:
    """Return a decorator that files a thing under `kind` and `name`, with what others need to know of it.

    Raises `UnknownNameError` for a kind that does not exist, `KunstkammerError` for a name that is taken.
    """
    if kind not in HOMES:
        raise unknown_name("kind of thing to register", kind, HOMES)

    def claim(thing: T) -> T:
        if name in _entries[kind]:
            raise KunstkammerError(f"The {SINGULAR[kind]} '{name}' is registered twice; give one of them another name.")
        _entries[kind][name] = Entry(name, summary, thing, facts, next(_count))
        return thing

    return claim


def entries(kind: str) -> list[Entry]:
    """Return all members of a kind, sorted by name. Unknown kinds raise `UnknownNameError`.

    A module of Kunstkammer's own that is not installed is left out; `missing` names it.
    """
    if kind not in HOMES:
        raise unknown_name("kind of thing to list", kind, HOMES)
    _missing[kind] = [module for module in HOMES[kind] if not _is_there(module)]
    return sorted(_entries[kind].values(), key=lambda entry: entry.name)


def _is_there(module: str) -> bool:
    """Import a module; say False where it, or a package that it is in, is not part of this installation."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # something else that it needs is missing
        return False
    return True


def missing(kind: str) -> list[str]:
    """Return the modules with members of a kind that are not part of this installation."""
    entries(kind)
    return list(_missing[kind])


def in_order(kind: str) -> list[Entry]:
    """Return all members of a kind in the order of `HOMES`, within a module as they are defined; others last, by name.

    It is the order in which they are shown side by side.
    """
    homes = {module: place for place, module in enumerate(HOMES[kind])}

    def place(entry: Entry) -> tuple[int, int]:
        home = homes.get(getattr(entry.thing, "__module__", ""), len(homes))
        return home, entry.number if home < len(homes) else 0

    return sorted(entries(kind), key=place)


def names(kind: str) -> list[str]:
    """Return the names of a kind, sorted."""
    return [entry.name for entry in entries(kind)]


def entry_of(kind: str, name: str) -> Entry:
    """Return the entry of `kind` and `name`, or raise `UnknownNameError` with the nearest guess."""
    for entry in entries(kind):
        if entry.name == name:
            return entry
    error = unknown_name(SINGULAR[kind], name, names(kind))
    if _missing[kind]:
        raise UnknownNameError(f"{error} Not part of this installation: {', '.join(_missing[kind])}.")
    raise error


def get(kind: str, name: str) -> Any:
    """Return the thing registered under `kind` and `name`, or raise `UnknownNameError` with the nearest guess."""
    return entry_of(kind, name).thing
