"""Whether a collection can be learned from at all: one clear message where it cannot."""

from __future__ import annotations

from pathlib import Path

from kunstkammer.data.collection import Collection
from kunstkammer.data.readers.rows import a_few
from kunstkammer.data.readers.scan import is_picture_name
from kunstkammer.errors import DataError

SMALLEST_CLASS = 2


def require_trainable(collection: Collection, *, smallest_class: int = SMALLEST_CLASS) -> None:
    """Raise one `DataError` when nothing can be learned from `collection`.

    Refused are: no labels, pictures without a label among labelled ones (unless several labels are allowed: such a
    picture then shows none of them), a class folder without a picture, fewer than two labels, and a class of fewer than
    `smallest_class` pictures, for one picture cannot be learned from and tested on at the same time. Where a picture
    may have several labels a rare one is no reason to refuse the rest; `check` names it.
    """
    name = collection.name
    if not collection.labelled:
        hint = " " + collection.notes[0] if collection.notes else ""
        raise DataError(
            f"'{name}' has no labels; put the pictures into one folder for each class, or name a table.{hint}"
        )
    if not collection.multi_label:
        bare = [file for file, labels in zip(collection.files, collection.labels, strict=True) if not labels]
        if bare:
            some = "picture has" if len(bare) == 1 else "pictures have"
            raise DataError(f"{len(bare)} {some} no label in '{name}' ({a_few(bare)}); label them or take them out.")
    if collection.empty_classes:
        empty = collection.empty_classes
        what = (
            f"The class folder '{empty[0]}' has" if len(empty) == 1 else f"The class folders {a_few(list(empty))} have"
        )
        raise DataError(f"{what} no picture in '{name}'; put pictures there or remove the folder.")
    counts = collection.counts()
    if len(counts) < 2 and not (collection.multi_label and _some_carry_none(collection)):
        only = collection.label_names[0]
        raise DataError(f"'{name}' has one class only, '{only}'; at least two are needed.{_deeper(collection, only)}")
    small = [label for label, n in counts.items() if n < smallest_class]
    if small and not collection.multi_label:
        some = f"The class '{small[0]}' has" if len(small) == 1 else f"The classes {a_few(small)} have"
        count = f"only {max(counts[label] for label in small)} picture" + ("" if smallest_class == 2 else "s")
        raise DataError(
            f"{some} {count} in '{name}'; at least {smallest_class} are needed, better 20: "
            f"add some or leave the class out."
        )


def _some_carry_none(collection: Collection) -> bool:
    return any(not labels for labels in collection.labels)


def _deeper(collection: Collection, only: str) -> str:
    """Guess that the class folders lie one folder deeper, as they do when an archive is unpacked into a folder."""
    if collection.root is None:
        return ""
    folder = Path(collection.root) / only
    if not folder.is_dir():
        return ""
    inner = [p for p in sorted(folder.iterdir()) if p.is_dir() and any(is_picture_name(f.name) for f in p.iterdir())]
    return f" Did you mean '{folder}'?" if len(inner) > 1 else ""
