"""A process that adds, corrects and deletes until it is killed, and writes down what was acknowledged."""

from __future__ import annotations

import os
import random
from pathlib import Path

from kunstkammer.web.settings import Settings
from kunstkammer.web.store import Store
from tests.web.store.conftest import facts_of, put


def add_and_delete(folder: Path, database: str, diary: Path, seed: int) -> None:
    """Go on for ever; the diary has a line for each deed, written before the next one begins."""
    store = Store.open(Settings(folder=folder, database=database))
    rng = random.Random(seed)
    handle = os.open(diary, os.O_WRONLY | os.O_APPEND)

    def note(word: str, id: str) -> None:
        os.write(handle, f"{word} {id}\n".encode())  # in one piece: a kill leaves all of it or nothing

    mine: list[str] = []
    while True:
        if mine and rng.random() < 0.3:
            id = mine.pop(rng.randrange(len(mine)))
            note("deleting", id)
            store.delete("ada", id)
            note("deleted", id)
            continue
        data = rng.randbytes(rng.choice([10, 5_000, 200_000])) if rng.random() < 0.7 else b"the same"
        id = put(store, "ada", data).id
        note("added", id)
        mine.append(id)
        store.put_map(facts_of(data).sha256, "k", data[:1000])
        store.correct("ada", id, "m", ["a"])
        note("corrected", id)
