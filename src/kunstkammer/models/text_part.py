"""The text side of a checkpoint: where the text of a collection is found, and what makes vectors of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kunstkammer.data.texts import text_columns, texts_of
from kunstkammer.errors import DataError, ModelError
from kunstkammer.files import write_json
from kunstkammer.models.texts import ENCODER_FOLDER, TextRows, make_text_features

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection

TEXT_FILE = "text.json"


class TextPart:
    """The text side of a checkpoint: which columns hold the text, and what makes vectors of it."""

    def __init__(self, name: str, options: Mapping[str, Any], columns: Sequence[str]) -> None:
        self.name, self.options, self.columns = name, dict(options), list(columns)
        self.features = make_text_features(name, options)
        self.fingerprint = ""
        self._last: tuple[str, TextRows] | None = None

    def fit(self, collection: Collection, train: np.ndarray) -> None:
        """Learn from the texts of the rows `train` of a collection; keep a fingerprint of all of its texts."""
        texts = self.texts(collection)
        self.features.fit([texts[i] for i in train])
        self._last = None
        self.fingerprint = _fingerprint(texts)

    def texts(self, collection: Collection) -> list[str]:
        """Return the text of each picture: of the columns learnt from, else of those with a usual name, else ""."""
        names = [name for name in self.columns if name in collection.column_names]
        return texts_of(collection, names or text_columns(collection.column_names))

    def rows(self, collection: Collection) -> TextRows | None:
        """Return the vectors of a collection, None where not one of its pictures has text. The last ones are kept."""
        texts = self.texts(collection)
        if not any(texts):
            return None
        key = _fingerprint(texts)
        if self._last is None or self._last[0] != key:
            self._last = key, self.features.rows(texts)
        return self._last[1]

    def require_unchanged(self, collection: Collection) -> None:
        """Raise `DataError` where the texts are not those that the part was fitted to: a resume would not be exact."""
        if _fingerprint(self.texts(collection)) != self.fingerprint:
            raise DataError(
                "The texts of the collection have changed since the run was started; an exact resume is not possible. "
                "Put them back, or train into a new folder."
            )

    def save(self, folder: Path) -> None:
        """Write text.json and what belongs to it into a checkpoint folder. Raises `ResourceError`."""
        kept = self.features.save(folder)
        options = {**self.options, "model": ENCODER_FOLDER} if self.name == "hub" else self.options
        head = {"name": self.name, "options": options, "columns": self.columns, "texts_sha256": self.fingerprint}
        write_json(folder / TEXT_FILE, {**head, **kept})


def open_text(folder: Path) -> TextPart | None:
    """Return the text side of a checkpoint folder, None where it has none. Raises `ModelError` for a damaged one."""
    file = folder / TEXT_FILE
    if not file.is_file():
        return None
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        name, options, columns = kept["name"], dict(kept["options"]), list(kept["columns"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{file} is damaged ({error}); copy the checkpoint again.") from error
    if name == "hub":
        encoder = folder / ENCODER_FOLDER
        if not encoder.is_dir():
            raise ModelError(f"{folder} has no {ENCODER_FOLDER}, which its text.json names; copy the checkpoint again.")
        options["model"] = str(encoder.absolute())
    part = TextPart(name, options, columns)
    part.features.load(folder, kept)
    part.fingerprint = str(kept.get("texts_sha256", ""))
    return part


def _fingerprint(texts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
