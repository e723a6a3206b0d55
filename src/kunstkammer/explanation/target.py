"""Which class is explained: by number, by name, one for all pictures or one each."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from torch import Tensor, nn, tensor

from kunstkammer.errors import ModelError, UnknownNameError, guess

Target: TypeAlias = int | str | Sequence[int | str] | Tensor | None
"""None (the predicted class), a class number, a label, or one of these for each picture."""


def resolve_target(model: nn.Module, target: Target, pictures: int) -> Tensor | None:
    """Return the class numbers, int64 (N,), or None where the predicted class is meant.

    Raises `UnknownNameError` for a label the model does not have, `ModelError` for the wrong number of targets or for
    a label where the model names none. Whether a number is in range is known when the model has been run.
    """
    if target is None:
        return None
    if isinstance(target, str) or not isinstance(target, Iterable) or getattr(target, "ndim", 1) == 0:
        return tensor([_number(model, target)] * pictures)
    numbers = [_number(model, one) for one in target]
    if len(numbers) != pictures:
        raise ModelError(
            f"{len(numbers)} targets for {pictures} pictures; give one for all, or one for each picture in order."
        )
    return tensor(numbers)


def label_number(label: str, label2id: Mapping[str, int]) -> int:
    """Return the number of a label: the very name, else the one label it is a synonym of, in any case.

    A label may list synonyms with commas, as ImageNet's do. Raises `UnknownNameError` with the nearest guess.

    >>> label_number("manga", {"comic": 0, "manga": 1})
    1
    >>> label_number("Tabby", {"tiger cat": 282, "tabby, tabby cat": 281})
    281
    >>> label_number("mango", {"comic": 0, "manga": 1})
    Traceback (most recent call last):
    kunstkammer.errors.UnknownNameError: There is no label 'mango'. Did you mean 'manga'? Known: comic, manga.
    """
    if label in label2id:
        return int(label2id[label])
    wanted = label.strip().lower()
    synonyms = {name: [part.strip().lower() for part in name.split(",")] for name in label2id}
    found = [name for name, parts in synonyms.items() if wanted == name.lower() or wanted in parts]
    if len(found) == 1:
        return int(label2id[found[0]])
    if found:
        raise UnknownNameError(f"'{label}' may be any of {', '.join(map(repr, sorted(found)))}; name one in full.")
    known = [part.strip() for name in label2id for part in (name, *name.split(","))]
    raise UnknownNameError(f"There is no label '{label}'.{guess(label, known)} Known: {shortened(sorted(label2id))}.")


def shortened(names: Sequence[str], most: int = 20) -> str:
    """Return names as one line, cut short after `most`.

    >>> shortened(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    rest = len(names) - most
    return ", ".join(names) if rest <= 0 else f"{', '.join(names[:most])} and {rest} more"


def _number(model: nn.Module, target: Any) -> int:
    if isinstance(target, str):
        label2id = getattr(getattr(model, "config", None), "label2id", None)
        if not label2id:
            raise ModelError(f"{type(model).__name__} names no labels; give the target as a class number.")
        return label_number(target, label2id)
    if isinstance(target, bool):
        raise ModelError(f"{target} is not a class; give a number or a label.")
    try:
        return operator.index(target)
    except TypeError:
        raise ModelError(f"{target!r} is not a class; give a number or a label.") from None
