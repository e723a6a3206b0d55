"""The name under which a heat map is kept beside its content: the same for requests and for jobs."""

from __future__ import annotations

import hashlib

from kunstkammer.web.records import ModelCard


def map_key(card: ModelCard, method: str, target: str | None = None, versus: str | None = None) -> str:
    """Return the key of `StoreLike.put_map` and `get_map`: it changes with the weights, the method and the labels."""
    parts = (card.name, card.version, method, target or "", versus or "")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
