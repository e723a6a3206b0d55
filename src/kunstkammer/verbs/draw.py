"""draw: a collection that the package draws itself, with known truth."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class DrawResult:
    """What `draw` returns: the folder made, how many pictures, how long it took."""

    out: Path
    kind: str
    n: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {"out": str(self.out), "kind": self.kind, "n": self.n, "seconds": round(self.seconds, 2)}

    def to_text(self) -> str:
        """Return one line."""
        return f"Drew {self.n} pictures ({self.kind}) into {self.out} in {self.seconds:.1f} s."


def draw(kind: str, *, out: str | Path, n: int = 600, seed: int = 0) -> DrawResult:
    """Draw a collection of `n` pictures of a registered kind into the new folder `out`.

    Raises `UnknownNameError` for a kind that there is not, `DataError` where `out` exists already.
    """
    from kunstkammer.registry import get

    start = time.perf_counter()
    folder = get("drawings", kind)(out, n, seed=seed)
    return DrawResult(Path(folder), kind, n, time.perf_counter() - start)
