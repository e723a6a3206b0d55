"""What `explain` is asked about each picture: which label, and rather than which other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kunstkammer.errors import DataError, UnknownNameError

if TYPE_CHECKING:
    from kunstkammer.models.run import Run

ALL = "all"


@dataclass(frozen=True)
class Questions:
    """Which labels of each picture are explained.

    Attributes:
        label_names: the labels of the model.
        asked: class numbers asked for of every picture, or None for what the model predicts.
        versus: the class that each is held against, or None.
        run: the model, which says what labels it predicts.
    """

    label_names: tuple[str, ...]
    asked: tuple[int, ...] | None
    versus: int | None
    run: Run

    @classmethod
    def of(cls, checkpoint: Run, target: str | Sequence[str] | None, versus: str | None) -> Questions:
        """Read what was asked for: a label, several (a list, or joined by commas), "all", or None.

        Raises `UnknownNameError` for a label that the model has not, `DataError` for one that is held against itself.
        """
        names = tuple(checkpoint.label_names)
        against = None if versus is None else _number(names, versus)
        asked = None if target is None else _numbers(names, target)
        if asked is not None and against is not None:
            if asked == (against,):
                raise DataError(f"'{names[against]}' is held against itself; name two labels (--target and --versus).")
            asked = tuple(k for k in asked if k != against)
        return cls(names, asked, against, checkpoint)

    def of_picture(self, probabilities: np.ndarray) -> list[int]:
        """Return the class numbers to explain for a picture with these probabilities (K,).

        Where none were asked for: those that the model predicts, or the most probable one where it predicts none;
        with `versus` other than that one.
        """
        if self.asked is not None:
            return list(self.asked)
        order = [int(k) for k in np.argsort(-probabilities, kind="stable") if k != self.versus]
        predicted = self.run.decide(probabilities[None])[0]
        return [k for k in order if predicted[k]] or order[:1]

    @property
    def several(self) -> bool:
        """Whether a picture may have more than one answer, so that files are named by label too."""
        return self.run.multi_label if self.asked is None else len(self.asked) > 1

    def said(self, label: int) -> str:
        """Return a class, and what it is held against, in words."""
        name = self.label_names[label]
        return name if self.versus is None else f"{name} rather than {self.label_names[self.versus]}"


def file_part(text: str, most: int = 60) -> str:
    """Return a text as a part of a file name that every file system takes.

    >>> file_part("tabby, tabby cat / 3")
    'tabby_ tabby cat _ 3'
    """
    return re.sub(r"[^\w .()-]+", "_", text)[:most].strip() or "_"


def _numbers(names: tuple[str, ...], target: str | Sequence[str]) -> tuple[int, ...]:
    if not isinstance(target, str):
        if not target:
            raise DataError("The list of labels to explain is empty; name one, or leave it out.")
        return tuple(dict.fromkeys(_number(names, one) for one in target))
    try:
        return (_number(names, target),)
    except UnknownNameError:
        # A label may hold commas itself (ImageNet's do), so the whole text is tried first.
        if target.strip().lower() == ALL:
            return tuple(range(len(names)))
        parts = [part.strip() for part in target.split(",") if part.strip()]
        if len(parts) < 2:
            raise
    return tuple(dict.fromkeys(_number(names, part) for part in parts))


def _number(names: tuple[str, ...], label: str) -> int:
    from kunstkammer.explanation.target import label_number

    return label_number(label, {name: k for k, name in reversed(list(enumerate(names)))})
