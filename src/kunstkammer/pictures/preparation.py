"""Preparation: what is done once to a picture before anything is learned from it, such as turning it into a drawing.

An augmentation changes a picture anew in every epoch; a preparation changes it once, when its plate is made, and the
plate is kept. A member is a class with its parameters and `apply`, under `@register("preparations", name, summary)`.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from kunstkammer import registry
from kunstkammer.errors import RecipeError, guess
from kunstkammer.pictures.cartoon import MOST_STRENGTH, CartoonSettings, cartoon_settings, cartoonify
from kunstkammer.pictures.parameters import parse_named
from kunstkammer.registry import register

PREPARATION_FORMAT = 2
"""Part of the key of prepared plates: raised whenever what a preparation makes of a picture changes."""


class PreparationStep(BaseModel, ABC):
    """Parameters of one step of a preparation. Unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @abstractmethod
    def apply(self, pixels: Tensor) -> Tensor:
        """Return new uint8 (N, C, H, W) of the same shape; what becomes of a picture depends on it alone."""

    def parameters(self) -> dict[str, Any]:
        """Return every parameter, defaults with them, as JSON knows it."""
        return self.model_dump(mode="json")


@register("preparations", "cartoonify", "Turn photographs into drawings (see: kunstkammer list cartoons).")
class Cartoonify(PreparationStep):
    """Drawings instead of photographs: a preset, its strength, and any parameters of the preset beside them."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    preset: str = "comic"
    strength: float = Field(1.0, ge=0, le=MOST_STRENGTH)
    seed: int = Field(0, ge=0, lt=2**31)

    @model_validator(mode="after")
    def _preset_knows_them(self) -> Cartoonify:
        given = self.model_extra or {}
        known = [*type(self).model_fields, *registry.get("cartoons", self.preset).model_fields]
        for name in given:
            if name not in known:
                raise RecipeError(
                    f"Preparation 'cartoonify': no parameter '{name}'.{guess(name, known)} Known: {', '.join(known)}."
                )
        cartoon_settings(self.preset, given)
        return self

    @property
    def settings(self) -> CartoonSettings:
        """The preset's settings with the parameters given."""
        return cartoon_settings(self.preset, self.model_extra)

    def apply(self, pixels: Tensor) -> Tensor:
        return cartoonify(pixels, self.preset, strength=self.strength, settings=self.settings, seed=self.seed)

    def parameters(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in type(self).model_fields}
        return {**own, **self.settings.model_dump(mode="json")}


class Preparation:
    """Steps in their order, as one function of uint8 pixels.

    Attributes:
        steps: the steps with all their parameters.
    """

    def __init__(self, steps: Sequence[PreparationStep]) -> None:
        self.steps = tuple(steps)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return new uint8 (N, 1 or 3, H, W) of the same shape."""
        for step in self.steps:
            pixels = step.apply(pixels)
        return pixels

    def specs(self) -> list[dict[str, Any]]:
        """Return what `build_preparation` takes, with every default written out."""
        names = {entry.thing: entry.name for entry in registry.entries("preparations")}
        return [{"name": names[type(step)], **step.parameters()} for step in self.steps]

    @property
    def key(self) -> str:
        """The specs as canonical JSON: equal preparations have equal keys, and `from_key` builds them again."""
        return json.dumps(self.specs(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @property
    def sentence(self) -> str:
        """Name the steps in a few words, such as "cartoonify (comic, strength 0.8)"."""
        return ", then ".join(_in_words(spec) for spec in self.specs())


def build_preparation(specs: Sequence[Mapping[str, Any]]) -> Preparation | None:
    """Build a preparation from `[{"name": "cartoonify", "preset": "manga"}]`; None where there is nothing to do.

    Raises:
        UnknownNameError: there is no preparation, or no preset, of that name.
        RecipeError: an unknown parameter, a wrong type, a value out of range.

    >>> build_preparation([{"name": "cartoonify", "strength": 0.5}]).specs()[0]["preset"]
    'comic'
    """
    return Preparation([parse_named("preparations", spec) for spec in specs]) if specs else None


@lru_cache(maxsize=16)
def from_key(key: str) -> Preparation | None:
    """Return the preparation of a canonical JSON text (`Preparation.key`), None for ""; `RecipeError` for any other."""
    if not key:
        return None
    try:
        specs = json.loads(key)
    except ValueError as error:
        raise RecipeError(f"A preparation is named by its key, JSON text, not {key[:60]!r}.") from error
    found = build_preparation(specs if isinstance(specs, list) else [specs])
    if found is None or found.key != key:
        raise RecipeError(f"{key[:60]!r} is not the key of a preparation; take Preparation.key.")
    return found


def _in_words(spec: Mapping[str, Any]) -> str:
    preset, strength = spec.get("preset"), spec.get("strength")
    return spec["name"] if preset is None else f"{spec['name']} ({preset}, strength {strength:g})"
