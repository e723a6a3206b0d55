"""list: what there is of a kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kunstkammer.progress import say
from kunstkammer.registry import HOMES, Entry, entries, missing


@dataclass(frozen=True)
class ListResult:
    """What `list` returns: the members of each kind asked for."""

    kinds: dict[str, list[Entry]]

    def to_json(self) -> dict[str, Any]:
        """Return {kind: [{"name", "summary"}]}, with the facts of each where it has some ("family", "cost")."""
        return {
            kind: [{"name": e.name, "summary": e.summary, **(e.facts.to_json() if e.facts else {})} for e in found]
            for kind, found in self.kinds.items()
        }

    def to_text(self) -> str:
        """Return the names with a line each, one block a kind."""
        blocks = []
        for kind, found in self.kinds.items():
            rows = [(entry.name, *_told(entry), entry.summary) for entry in found]
            columns = max((len(row) for row in rows), default=0)
            rows = [(*row[:-1], *[""] * (columns - len(row)), row[-1]) for row in rows]
            widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
            lines = ["  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
            blocks.append("\n".join([kind, *(f"  {line}" for line in lines)]))
        return "\n\n".join(blocks)


def _told(entry: Entry) -> tuple[str, ...]:
    """Return the facts of a member that are text, to stand between its name and its summary."""
    facts = entry.facts.to_json() if entry.facts else {}
    return tuple(f"{name} {value}" for name, value in facts.items() if isinstance(value, str))


def list(kind: str | None = None) -> ListResult:
    """Return the registered members of a kind, or of all kinds. Raises `UnknownNameError` with the nearest guess."""
    kinds = [kind] if kind is not None else sorted(HOMES)
    found = {name: entries(name) for name in kinds}
    for name in kinds:
        if lacking := missing(name):
            say(f"Left out of the {name}: {', '.join(lacking)}, not part of this installation.")
    return ListResult(found)
