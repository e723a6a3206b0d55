"""Which added pictures are learned from: none that the test or validation has, and the added label before the old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from kunstkammer.data.additions import ADDED
from kunstkammer.data.copies import duplicate_groups
from kunstkammer.data.groups import names_a_group
from kunstkammer.data.readers.rows import a_few

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection
    from kunstkammer.data.survey import Survey

HELD = ("test", "validation")


def own_rows(collection: Collection) -> np.ndarray:
    """Return the places of the collection's own pictures, int64; all where nothing was added."""
    if ADDED not in collection.column_names:
        return np.arange(len(collection))
    return np.array([i for i, name in enumerate(collection.column(ADDED)) if name is None], dtype=np.int64)


@dataclass
class Placed:
    """Where everything goes once the collection's own pictures have their parts.

    Attributes:
        parts: of every picture; "" where it is left out.
        notes: sentences on what was done and why.
    """

    parts: list[str]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Room:
    """What is looked up over and over while pictures are placed."""

    files: Sequence[str]
    labels: Sequence[Sequence[str]]
    sha256: Sequence[str]
    members: dict[int, list[int]]
    copies: np.ndarray

    def like(self, i: int) -> list[int]:
        """Return the other copies of a picture."""
        return [j for j in self.members[self.copies[i]] if j != i]

    def said(self, i: int) -> str:
        return f"'{', '.join(self.labels[i])}'"


def place_additions(
    collection: Collection, seen: Survey, parts: Sequence[str], group_columns: Sequence[str] = ()
) -> Placed:
    """Give the added pictures to training.

    Left out are those that cannot be read, have no label (where a picture has one), are copies of a picture in the test
    or validation, or belong to a group of theirs. Where an added picture is a copy of one in training with another
    label, the added one takes its place; of two additions the later counts.

    Args:
        collection: own pictures and additions.
        parts: of every picture; "" for the added ones.
        group_columns: pictures of equal value there must not be both learned from and tested on.
    """
    copies = duplicate_groups(seen)
    members: dict[int, list[int]] = {}
    for i, group in enumerate(copies.tolist()):
        members.setdefault(group, []).append(i)
    room = _Room(collection.files, collection.labels, seen.sha256, members, copies)
    placed = Placed(list(parts))
    added = sorted(set(range(len(collection))) - set(own_rows(collection).tolist()))
    candidates = _usable(collection, seen, added, placed)
    candidates = _without_held_copies(room, candidates, placed)
    candidates = _without_held_groups(collection, candidates, group_columns, placed)
    _give(room, candidates, placed)
    learnt = sum(placed.parts[i] == "train" for i in added)
    placed.notes.insert(0, f"Added to training: {learnt} of {len(added)} pictures; none is in validation or test.")
    return placed


def _usable(collection: Collection, seen: Survey, added: list[int], placed: Placed) -> list[int]:
    broken = [i for i in added if i in seen.errors]
    if broken:
        placed.notes.append(f"Added, but unreadable: {len(broken)}, the first: {seen.errors[broken[0]]}")
    bare = [i for i in added if not collection.multi_label and not collection.labels[i]]
    if bare:
        names = a_few([collection.files[i] for i in bare])
        placed.notes.append(f"Added, but without a label and left out: {len(bare)} ({names}).")
    return [i for i in added if i not in {*broken, *bare}]


def _without_held_groups(collection: Collection, added: list[int], columns: Sequence[str], placed: Placed) -> list[int]:
    """Leave out what shares, say, its title with a picture of the test."""
    for column in columns:
        values = collection.column(column)
        pairs = zip(values, placed.parts, strict=True)
        held = {str(value) for value, part in pairs if part in HELD and names_a_group(value)}
        inside = [i for i in added if names_a_group(values[i]) and str(values[i]) in held]
        if inside:
            names = a_few([collection.files[i] for i in inside])
            placed.notes.append(
                f"Added, but left out for a {column} that test or validation has too: {len(inside)} ({names})."
            )
        unknown = sum(not names_a_group(values[i]) for i in added)
        if unknown:
            placed.notes.append(
                f"Added without their {column}: {unknown}; the test may have pictures of the same {column}."
            )
        added = [i for i in added if i not in set(inside)]
    return added


def _without_held_copies(room: _Room, added: list[int], placed: Placed) -> list[int]:
    held = {i: j for i in added for j in room.like(i) if placed.parts[j] in HELD}
    if held:
        names = a_few([f"{room.files[i]} is {room.files[j]}" for i, j in held.items()], 6)
        placed.notes.append(f"Added, but left out as copies of pictures in test or validation: {len(held)} ({names}).")
    against = [(i, j) for i, j in held.items() if room.labels[i] != room.labels[j]]
    if against:
        names = a_few([f"{room.files[j]} is {room.said(j)}, added as {room.said(i)}" for i, j in against], 6)
        placed.notes.append(
            f"Against the label of the picture in test or validation, which stays: {len(against)} ({names}). Correct "
            "it in the collection itself if the addition is right."
        )
    return [i for i in added if i not in held]


def _give(room: _Room, added: list[int], placed: Placed) -> None:
    """Give pictures to training, the last first; what they contradict is left out."""
    replaced, again = [], 0
    given: set[int] = set()
    for i in reversed(added):
        like = [j for j in room.like(i) if placed.parts[j] == "train"]
        against = [j for j in like if room.labels[j] != room.labels[i]]
        later = [j for j in against if j in given]
        if later:
            replaced.append((i, later[0]))
            continue
        for j in against:
            placed.parts[j] = ""
            replaced.append((j, i))
        if any(room.sha256[j] == room.sha256[i] for j in like if j not in against):
            again += 1
            continue
        placed.parts[i] = "train"
        given.add(i)
    if replaced:
        names = a_few([f"{room.files[j]} ({room.said(j)} -> {room.said(i)})" for j, i in replaced[::-1]], 6)
        placed.notes.append(f"Left out for a copy that was added with another label: {len(replaced)} ({names}).")
    if again:
        placed.notes.append(f"Added, but in training already with the same label: {again}.")
