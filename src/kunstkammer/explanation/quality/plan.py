"""What is done to every picture, which methods are asked, and how slow ones are made cheaper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from kunstkammer.errors import ModelError, unknown_name
from kunstkammer.explanation.degradation import FILLS
from kunstkammer.explanation.facts import Budget, facts_of, methods_with
from kunstkammer.explanation.interface import explain
from kunstkammer.explanation.order import in_order
from kunstkammer.registry import get, names

RELEVANCES = ("signed", "absolute")
ROWS_AT_224 = 16
"""So many pictures of 224 x 224 in colour go through a model at once; more of smaller ones."""

LAYER = "layer"
LAYER_HINT = f"normalise='{LAYER}'"
"""What the error of a method by patterns names where its raw values overflow."""


@dataclass(frozen=True)
class Plan:
    """What is done to every picture.

    Attributes:
        methods: in the order in which they are shown.
        patch, steps, points, fill: as for `degrade`.
        relevance: a patch's relevance is the sum of its map ("signed", as in the paper) or of the amounts
            ("absolute").
        checked: so many pictures are used for the sanity checks; of slow methods (`budget_of`) `checked_slowly`.
        cascade: at so many steps of the cascade the maps are looked at.
        seed: of the random order and of the layers that are drawn anew.
    """

    methods: tuple[str, ...]
    patch: int = 9
    steps: int = 100
    points: int = 26
    fill: str = "mean"
    relevance: str = "signed"
    checked: int = 12
    checked_slowly: int = 4
    cascade: int = 6
    seed: int = 0


def pictures_to_check(plan: Plan, method: str, size: Sequence[int]) -> int:
    """Return how many pictures of `size` the sanity checks of a method take."""
    return min(plan.checked, plan.checked_slowly) if budget_of(method, size).options else plan.checked


def check_plan(plan: Plan, size: Sequence[int]) -> None:
    """Raise `UnknownNameError` or `ModelError` for what cannot be done with pictures of `size` = (height, width)."""
    for kind, name, known in (("fill", plan.fill, FILLS), ("relevance", plan.relevance, RELEVANCES)):
        if name not in known:
            raise unknown_name(kind, name, known)
    for what, value, least in (("patch", plan.patch, 1), ("steps", plan.steps, 1), ("points", plan.points, 2)):
        if value < least:
            raise ModelError(f"{what} is {value}; give at least {least}.")
    if min(size) < plan.patch:
        raise ModelError(
            f"The model sees pictures of {size[0]} x {size[1]} pixels, smaller than a patch of {plan.patch}; "
            f"give a smaller one, for example --patch {max(1, min(size) // 7)}."
        )


def methods_asked(method: str | Sequence[str]) -> tuple[str, ...]:
    """Return the methods that were asked for, "all" for every one. Unknown ones raise with the nearest guess."""
    asked = [part.strip() for part in method.split(",")] if isinstance(method, str) else list(method)
    asked = [name for name in asked if name]
    if asked == ["all"]:
        return tuple(in_order(names("explainers")))
    if not asked:
        raise ModelError("No method is named; see: kunstkammer list explainers.")
    for name in asked:
        get("explainers", name)
    return tuple(in_order(dict.fromkeys(asked)))


def rows_at_once(shape: Sequence[int]) -> int:
    """Return how many pictures (C, H, W) go through a model at once.

    >>> rows_at_once((3, 224, 224)), rows_at_once((1, 28, 28))
    (16, 256)
    """
    values = shape[0] * shape[1] * shape[2]
    return max(4, min(256, ROWS_AT_224 * 3 * 224 * 224 // values))


def budget_of(method: str, size: Sequence[int]) -> Budget:
    """Return how a method that takes many passes is made cheaper for pictures of `size`; most are not.

    >>> budget_of("smoothgrad", (224, 224)).options, budget_of("gradient", (224, 224)).options
    ({'samples': 25}, {})
    """
    cheaper = facts_of(method).cheaper
    return Budget() if cheaper is None else cheaper(size)


@dataclass
class Subject:
    """The model under trial, and what its methods need beside it.

    Attributes:
        model: a classifier as `explain` takes.
        patterns: for the methods that need them, None where there are none.
        fitting: model input (N, C, H, W) on which patterns of a changed model are fitted, for the cascade.
        scaled: methods by patterns whose raw values overflow, so that every layer scales what it hands back.
    """

    model: nn.Module
    patterns: Any = None
    fitting: Tensor | None = None
    scaled: tuple[str, ...] = ()

    def scale_where_needed(self, pixels: Tensor) -> None:
        """Find out on some pictures which methods by patterns overflow as they are."""
        self.scaled = ()
        for method in methods_with(lambda facts: facts.patterns):
            try:
                explain(self.model, pixels, None, method, patterns=self.patterns)
            except ModelError as error:
                if LAYER_HINT in str(error):
                    self.scaled = (*self.scaled, method)

    def options(self, method: str, size: Sequence[int]) -> dict[str, Any]:
        """Return the options of a method: its budget, and the patterns where it takes them."""
        options = dict(budget_of(method, size).options)
        if facts_of(method).patterns:
            options["patterns"] = self.patterns
            options["normalise"] = LAYER if method in self.scaled else None
        return options
