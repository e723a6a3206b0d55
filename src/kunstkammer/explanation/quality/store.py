"""What is done already: small arrays on disk, so that a long walk that was stopped goes on where it was."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kunstkammer.files import atomic_file

Arrays = dict[str, np.ndarray]


class Store:
    """Keeps arrays under a name, in a folder that belongs to one very plan: another plan finds nothing in it."""

    def __init__(self, folder: Path, facts: Mapping[str, Any]) -> None:
        told = json.dumps(facts, sort_keys=True, default=str).encode()
        self._folder = folder / hashlib.sha256(told).hexdigest()[:16]
        self._root = folder

    def get(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """Return the arrays of a name: as they were kept, or made now and kept. Damaged files are made again."""
        file = self._folder / f"{name}.npz"
        if file.is_file():
            try:
                with np.load(file, allow_pickle=False) as kept:
                    return dict(kept)
            except (OSError, ValueError, KeyError, EOFError):
                file.unlink()
        found = make()
        with atomic_file(file) as partial, open(partial, "wb") as target:
            np.savez(target, **found)  # type: ignore[arg-type]
        return found

    def has(self, name: str) -> bool:
        """Say whether there is something under a name."""
        return (self._folder / f"{name}.npz").is_file()

    def clear(self) -> None:
        """Remove everything, also of other plans: the walk is done. The folder around it goes too where it is empty."""
        shutil.rmtree(self._root, ignore_errors=True)
        with contextlib.suppress(OSError):
            self._root.parent.rmdir()
