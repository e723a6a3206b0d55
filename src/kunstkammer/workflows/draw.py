"""draw: a collection that the package draws itself, with known truth."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class DrawResult:
    """What `draw` returns: the folder made, the collections in it, how many pictures each has, how long it took."""

    out: Path
    kind: str
    n: int
    seconds: float
    collections: tuple[Path, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "out": str(self.out),
            "kind": self.kind,
            "n": self.n,
            "seconds": round(self.seconds, 2),
            "collections": [str(folder) for folder in self.collections],
        }

    def to_text(self) -> str:
        """Return one line."""
        where = " and ".join(str(folder) for folder in self.collections)
        each = " each" if len(self.collections) > 1 else ""
        return f"Drew {self.n} pictures ({self.kind}){each} into {where} in {self.seconds:.1f} s."


def draw(kind: str, *, out: str | Path, n: int = 600, seed: int = 0) -> DrawResult:
    """Draw a collection of `n` pictures of a registered kind into the new folder `out`.

    A kind with several domains (faces) makes a collection for each of them within `out`, of `n` pictures each.

    Raises `UnknownNameError` for a kind that there is not, `DataError` where `out` exists already.
    """
    from kunstkammer.registry import get

    start = time.perf_counter()
    folder = Path(get("drawings", kind)(out, n, seed=seed))
    seconds = time.perf_counter() - start
    parts = tuple(path.parent for path in sorted(folder.glob("*/metadata.csv")))
    return DrawResult(folder, kind, n, seconds, parts or (folder,))
