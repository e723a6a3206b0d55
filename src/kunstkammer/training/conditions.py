"""Conditions of a transfer experiment: what is done so that a model of one domain does better on another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kunstkammer.errors import RecipeError, unknown_name
from kunstkammer.registry import names

PLAIN, FITTED, MIXING = "none", "like", "style-mixing"


@dataclass(frozen=True)
class Condition:
    """One condition.

    Attributes:
        preparation: a preset of cartoonify, "like" for the one fitted to the second domain, or None.
        mixing: whether styles of the second domain are mixed in while learning.
        adaptation: a name of `kunstkammer list adaptations`, done after learning, or None.
    """

    preparation: str | None = None
    mixing: bool = False
    adaptation: str | None = None

    @property
    def name(self) -> str:
        """The condition as it is written: parts joined by a plus sign.

        >>> Condition("comic", adaptation="adabn").name
        'comic+adabn'
        """
        parts = [self.preparation, MIXING if self.mixing else None, self.adaptation]
        return "+".join(part for part in parts if part) or PLAIN

    @property
    def trained(self) -> Condition:
        """The condition whose network this one starts from: the same without its adaptation."""
        return Condition(self.preparation, self.mixing)


def parse_condition(text: str) -> Condition:
    """Return the condition that a text such as "comic+adabn" names.

    Raises `UnknownNameError` for a part that is neither a preset, "like", "style-mixing", an adaptation nor "none", and
    `RecipeError` for two parts of one kind.
    """
    presets, adaptations = [FITTED, *names("cartoons")], names("adaptations")
    preparation, mixing, adaptation = None, False, None
    for part in (part.strip() for part in text.split("+")):
        known = {PLAIN: "none", MIXING: "mixing", **dict.fromkeys(presets, "one"), **dict.fromkeys(adaptations, "two")}
        if part not in known:
            raise unknown_name("condition", part, known)
        if (part in presets and preparation) or (part in adaptations and adaptation):
            raise RecipeError(f"The condition '{text}' names two of a kind; take one preparation and one adaptation.")
        preparation = part if part in presets else preparation
        adaptation = part if part in adaptations else adaptation
        mixing |= part == MIXING
    return Condition(preparation, mixing, adaptation)


def parse_conditions(texts: Sequence[str] | None) -> list[Condition]:
    """Return the conditions to compare, the plain one first; all single ones where none are named.

    >>> [condition.name for condition in parse_conditions(["comic", "comic+coral"])]
    ['none', 'comic', 'comic+coral']
    """
    if texts is None:
        texts = [*names("cartoons"), FITTED, *names("adaptations"), MIXING]
    found = [Condition(), *(parse_condition(text) for text in texts)]
    return list(dict.fromkeys(found))
