"""list: what there is of a kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kunstkammer.registry import HOMES, Entry, entries


@dataclass(frozen=True)
class ListResult:
    """What `list` returns: the members of each kind asked for."""

    kinds: dict[str, list[Entry]]

    def to_json(self) -> dict[str, Any]:
        """Return {kind: [{"name", "summary"}]}."""
        return {kind: [{"name": e.name, "summary": e.summary} for e in found] for kind, found in self.kinds.items()}

    def to_text(self) -> str:
        """Return the names with a line each, one block a kind."""
        blocks = []
        for kind, found in self.kinds.items():
            width = max((len(entry.name) for entry in found), default=0)
            lines = [f"  {entry.name:<{width}}  {entry.summary}" for entry in found]
            blocks.append("\n".join([kind, *lines]))
        return "\n\n".join(blocks)


def list(kind: str | None = None) -> ListResult:
    """Return the registered members of a kind, or of all kinds. Raises `UnknownNameError` with the nearest guess."""
    kinds = [kind] if kind is not None else sorted(HOMES)
    return ListResult({name: entries(name) for name in kinds})
