"""check: look a collection over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kunstkammer.files import write_text

if TYPE_CHECKING:
    from kunstkammer.data.check import Health


@dataclass(frozen=True)
class CheckResult:
    """What `check` returns: the health of a collection, and the page written if any."""

    health: Health
    out: Path | None

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {**self.health.to_json(), "out": str(self.out) if self.out else None}

    def to_text(self) -> str:
        """Return the findings, the worst first."""
        return self.health.to_text() + (f"\nPage with the pictures: {self.out}" if self.out else "")


def check(
    data: Any,
    *,
    out: str | Path | None = None,
    label_column: str | None = None,
    label_separator: str | None = None,
) -> CheckResult:
    """Look a collection over: unreadable pictures, duplicates, leaks between splits, imbalance, odd sizes.

    Args:
        data: any form of a collection that `kunstkammer.read` knows.
        out: an HTML file to write, one self-contained page with the pictures.
        label_column, label_separator: as for `kunstkammer.read`.

    Raises:
        DataError: where there is no collection to look at.
    """
    from kunstkammer.data.check import check as look
    from kunstkammer.data.readers import read

    health = look(read(data, label_column=label_column, label_separator=label_separator))
    page = Path(out) if out is not None else None
    if page is not None:
        write_text(page, health.to_html())
    return CheckResult(health, page)
