"""In which order methods stand side by side: by what they are made of, from the plainest to the most involved."""

from __future__ import annotations

from collections.abc import Iterable

from kunstkammer import registry


def in_order(methods: Iterable[str]) -> list[str]:
    """Return methods in the order of the registry's modules; those that it does not know come last, by name.

    >>> in_order(["occlusion", "my-own", "gradient"])
    ['gradient', 'occlusion', 'my-own']
    """
    place = {entry.name: number for number, entry in enumerate(registry.in_order("explainers"))}
    return sorted(methods, key=lambda name: (place.get(name, len(place)), name))
