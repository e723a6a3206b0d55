"""One file for each form in which people keep a collection; `read` finds out which it is.

May import: `data`, `pictures`, `files`, `errors`.
Public: `read`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kunstkammer.data.readers.dispatch import read

__all__ = ["read"]


def __getattr__(name: str) -> Any:
    if name == "read":
        from kunstkammer.data.readers.dispatch import read

        return read
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
