"""What a method of explanation carries in the registry beside its summary: its family, its cost, what it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from kunstkammer.registry import entry_of, in_order

Family = Literal[
    "gradients", "backprop", "cams", "windows", "lrp", "composites", "patterns", "attention", "others"
]  # fmt: skip
Cost = Literal["one", "several", "many"]


@dataclass(frozen=True)
class Budget:
    """The options with which a slow method is made cheaper, and what to say of it."""

    options: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class ExplainerFacts:
    """What others need to know of a method.

    Attributes:
        family: which methods it stands with, in lists and charts.
        cost: passes through the network for a picture: "one" (forward and back), "several" (a few), "many" (dozens).
        gradients: it needs the gradient of the logit; without, logits are enough.
        patterns: it needs the patterns that `fit-patterns` finds.
        boxes: it needs the box of values that pixels can have (its options `low` and `high`).
        shares: it shares out the logit: its relevance adds up to that (deep Taylor: to what of it is above 0;
            integrated gradients: less that of black).
        claim: its part in the claim of Kindermans et al. 2017, section 5: it is "claimed" to be better, or it is what
            the others are held "against"; "" for none.
        usual: it may be offered first where nobody chose; the first such method in the order of the registry is.
        twin: the method whose map it has where the network lacks what it looks at (no attention); "" for none.
        cheaper: (height, width) of the input -> how it is made cheaper where many pictures are tried; None: it is not.
    """

    family: Family
    cost: Cost = "one"
    gradients: bool = True
    patterns: bool = False
    boxes: bool = False
    shares: bool = False
    claim: Literal["", "claimed", "against"] = ""
    usual: bool = False
    twin: str = ""
    cheaper: Callable[[Sequence[int]], Budget] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what `kunstkammer list explainers --json` says of the method."""
        return {
            "family": self.family,
            "cost": self.cost,
            "gradients": self.gradients,
            "patterns": self.patterns,
            "boxes": self.boxes,
        }


UNKNOWN = ExplainerFacts("others")
"""Of a method that was registered without facts."""


def facts_of(method: str) -> ExplainerFacts:
    """Return what a method carries; those registered without facts count as `UNKNOWN`. Raises `UnknownNameError`."""
    return cast("ExplainerFacts | None", entry_of("explainers", method).facts) or UNKNOWN


def methods_with(wanted: Callable[[ExplainerFacts], bool]) -> tuple[str, ...]:
    """Return the methods whose facts are as wanted, in the order in which they are shown.

    >>> methods_with(lambda facts: facts.family == "windows")
    ('occlusion', 'prediction-difference')
    """
    found = ((entry.name, cast("ExplainerFacts | None", entry.facts) or UNKNOWN) for entry in in_order("explainers"))
    return tuple(name for name, facts in found if wanted(facts))
