"""Notes: what a reader of figures must know, in one sentence, in every language of the report."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml

from kunstkammer.errors import unknown_name

LANGUAGES = ("en", "de")
GRAVE = frozenset({"groups_cross", "groups_seen", "seen_in_training", "seen_in_set"})
_FILE = Path(__file__).parent / "report" / "translations.yaml"


@functools.cache
def translations() -> dict[str, dict[str, str]]:
    """Return every sentence by its key and language."""
    return yaml.load(_FILE.read_text(encoding="utf-8"), Loader=_OnceEach)  # noqa: S506 - a safe loader


class _OnceEach(yaml.SafeLoader):
    """A safe loader that refuses a key twice, of which YAML would silently take the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None) if len(set(keys)) < len(keys) else None
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice} stands there twice", node.start_mark)
        return super().construct_mapping(node, deep)


class Note:
    """A sentence by its key, with the values that fill it. Keys are those of the
    translations that begin with "note.".

    >>> Note("unlabelled", count=3).text
    'Pictures without a label that the model knows: 3; they are not part of the figures.'
    """

    def __init__(self, key: str, **values: Any) -> None:
        if f"note.{key}" not in translations():
            raise unknown_name("note", key, [k.removeprefix("note.") for k in translations() if k.startswith("note.")])
        self.key = key
        self.values = values

    @property
    def grave(self) -> bool:
        """Whether it puts the figures themselves in doubt: such a note is shown in red."""
        return self.key in GRAVE

    @property
    def text(self) -> str:
        """The sentence in English."""
        return self.sentence("en")

    def sentence(self, language: str) -> str:
        """Return the sentence in "en" or "de"."""
        return translations()[f"note.{self.key}"][language].format(**self.values)

    def __repr__(self) -> str:
        return f"Note({self.key!r}, {', '.join(f'{k}={v!r}' for k, v in self.values.items())})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Note) and (self.key, self.values) == (other.key, other.values)

    def __hash__(self) -> int:
        return hash((self.key, tuple(sorted(map(str, self.values.items())))))
