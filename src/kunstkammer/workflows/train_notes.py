"""What a reader of a run's report must know of how the model was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kunstkammer.evaluation.notes import Note
from kunstkammer.registry import entries

if TYPE_CHECKING:
    from kunstkammer.training.recipe import Recipe


def warnings_of(recipe: Recipe, facts: Mapping[str, Any]) -> list[Note]:
    """Return what a reader must know of how the model was made; `facts` are those of `run.json`."""
    found = crossing_notes(facts["data"].get("groups_across_parts"))
    if recipe.model.train != "all" and recipe.model.name in _untrained_models():
        found.append(Note("random_backbone", model=recipe.model.name))
    head = facts["training"].get("linear_head")
    if head and head["cross_validation"]:
        found.append(Note("linear_head", strength=f"{head['strength']:g}", folds=head["folds"]))
    return found


def _untrained_models() -> set[str]:
    """Return the models of the catalogue that begin with random weights."""
    return {entry.name for entry in entries("models") if not getattr(entry.facts, "pretrained", False)}


def crossing_notes(crossing: Mapping[str, Any] | None) -> list[Note]:
    """Return the notes on groups that the collection's own splits have cut (`Crossing.facts`)."""
    if crossing is None:
        return []
    found, columns = [], ", ".join(crossing["columns"])
    if crossing["groups"]:
        examples = ", ".join([*crossing["examples"][:3], *(["…"] if crossing["groups"] > 3 else [])])
        numbers = {name: crossing[name] for name in ("groups", "of", "pictures")}
        found.append(Note("groups_cross", columns=columns, examples=examples, **numbers))
    if crossing["validation_groups"]:
        found.append(Note("groups_cross_validation", columns=columns, groups=crossing["validation_groups"]))
    return found
