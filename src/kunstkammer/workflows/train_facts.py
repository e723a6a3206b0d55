"""What `run.json`, the report and the card say of the data and of the training."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection
    from kunstkammer.data.survey import Survey
    from kunstkammer.training.fit import Fit
    from kunstkammer.training.parts import Parts
    from kunstkammer.training.recipe import Recipe

LICENCE_COLUMNS = ("licence", "license", "rights")


def data_facts(collection: Collection, seen: Survey, parts: Parts, recipe: Recipe) -> dict[str, Any]:
    """Return what the report and the card say of the data."""
    from kunstkammer.data.copies import duplicate_groups
    from kunstkammer.training.prepared import preparation_note

    sizes = Counter(duplicate_groups(seen).tolist())
    licences: Counter[str] = Counter()
    for column in LICENCE_COLUMNS:
        if column in collection.column_names:
            licences.update(str(value) for value in collection.column(column) if value)
    return {
        "name": collection.name,
        "pictures": len(collection),
        "parts": parts.counts(),
        "classes": collection.counts(),
        "unreadable": len(seen.errors),
        "copies": sum(size - 1 for size in sizes.values() if size > 1),
        "licences": dict(licences.most_common(12)),
        **({} if parts.crossing is None else {"groups_across_parts": parts.crossing.facts()}),
        "notes": [*collection.notes, *parts.notes, *preparation_note(recipe)],
    }


def training_facts(done: Fit, recipe: Recipe, seconds: float, device: str) -> dict[str, Any]:
    """Return what the report and the card say of the training."""
    from kunstkammer.training.frozen import FrozenFit
    from kunstkammer.training.linear_head import head_facts

    return {
        **({"linear_head": head_facts(done.head)} if isinstance(done, FrozenFit) else {}),
        "model": recipe.model.name,
        "parameters": done.parameters,
        "epochs": len(done.history),
        "best_epoch": done.best_epoch,
        "stopped_early": done.stopped_early,
        "seconds": round(done.seconds, 2),
        "seconds_in_all": round(seconds, 2),
        "device": device,
    }
