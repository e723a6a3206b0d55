"""Several at once on one content: what was acknowledged is readable, what nobody has any more is gone."""

from __future__ import annotations

import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from kunstkammer.errors import ResourceError
from kunstkammer.web.errors import NotThere, QuotaFull
from kunstkammer.web.store.blobs import LocalBlobs
from tests.web.store.conftest import answer, facts_of, files_in, put

CONTENTS = [b"red", b"green", b"blue"]


def once(monkeypatch, method: str, deed) -> None:
    """Let something happen just before the next call of a method of the files."""
    plain = getattr(LocalBlobs, method)

    def patched(self, *arguments):
        monkeypatch.setattr(LocalBlobs, method, plain)
        deed()
        return plain(self, *arguments)

    monkeypatch.setattr(LocalBlobs, method, patched)


def test_the_last_goes_while_another_comes(store, settings, monkeypatch) -> None:
    """The file is found, and deleted with its last picture before the new row is in."""
    last = put(store, "ada", b"same")
    once(monkeypatch, "has", lambda: store.delete("ada", last.id))
    picture = put(store, "bob", b"same")
    assert store.bytes_of("bob", picture.id) == b"same"
    assert store.bytes_of("bob", picture.id, "thumbnail") == b"small same"
    assert len(files_in(settings.folder / "pictures")) == 2
    with pytest.raises(NotThere):
        store.get("ada", last.id)


def test_another_comes_while_the_last_goes(store, settings, monkeypatch) -> None:
    """The rows are deleted, and somebody brings the same content before the files are."""
    last = put(store, "ada", b"same")
    came = []
    once(monkeypatch, "remove", lambda: came.append(put(store, "bob", b"same")))
    store.delete("ada", last.id)
    assert store.bytes_of("bob", came[0].id) == b"same"
    assert len(files_in(settings.folder / "pictures")) == 2


def test_two_bring_the_same_at_once(store, settings, monkeypatch) -> None:
    """Both found nothing and wrote files; one of them stays."""
    came = []
    once(monkeypatch, "put", lambda: came.append(put(store, "bob", b"same")))
    picture = put(store, "ada", b"same")
    assert store.bytes_of("ada", picture.id) == store.bytes_of("bob", came[0].id) == b"same"
    assert len(files_in(settings.folder / "pictures")) == 2
    store.delete("bob", came[0].id)
    assert store.bytes_of("ada", picture.id) == b"same"


def test_two_bring_back_a_lost_file_at_once(store, settings) -> None:
    put(store, "ada", b"same")
    for path in (settings.folder / "pictures").rglob("*.original"):
        path.unlink()
    with ThreadPoolExecutor(8) as threads:
        came = list(threads.map(lambda i: put(store, f"visitor-{i}", b"same"), range(8)))
    assert all(store.bytes_of(None, picture.id) == b"same" for picture in came)
    assert len(files_in(settings.folder / "pictures")) == 2


def test_a_map_comes_while_its_picture_goes(store, settings, monkeypatch) -> None:
    picture = put(store, "ada", b"one")
    once(monkeypatch, "put", lambda: store.delete("ada", picture.id))
    store.put_map(picture.facts.sha256, "k", b"map")
    assert store.get_map(picture.facts.sha256, "k") is None
    assert files_in(settings.folder / "pictures") == set()


def test_a_picture_is_read_while_it_goes(store, monkeypatch) -> None:
    picture = put(store, "ada", b"one")
    once(monkeypatch, "get", lambda: store.delete("ada", picture.id))
    with pytest.raises(NotThere):
        store.bytes_of("ada", picture.id)


def test_a_picture_that_always_goes_is_given_up(store, monkeypatch) -> None:
    def gone(*_arguments):
        for picture in store.list("ada").items:
            store.delete("ada", picture.id)
        put(store, "ada", b"same")
        return True

    put(store, "ada", b"same")
    monkeypatch.setattr(LocalBlobs, "has", gone)
    monkeypatch.setattr("kunstkammer.web.store.store.TRIES", 3)
    with pytest.raises(ResourceError, match="again"):
        # `gone` itself adds through the path of new files, because it has deleted the only picture before.
        put(store, "bob", b"same")


def test_a_visitor_with_many_hands_keeps_to_the_quota(open_store) -> None:
    store = open_store(visitor_bytes=10)

    def try_to(i: int) -> bool:
        try:
            put(store, "ada", b"%03d" % i)
        except QuotaFull:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(try_to, range(16))) == 3
    assert store.list("ada").total == 3


def play(store, seed: int, rounds: int) -> list[str]:
    """Add and delete the same few contents; whatever is acknowledged must be readable. Returns what is still there."""
    rng = random.Random(seed)
    visitor, mine = f"visitor-{seed}", {}
    for _ in range(rounds):
        data = rng.choice(CONTENTS)
        if mine and rng.random() < 0.55:
            id = rng.choice(list(mine))
            store.delete(visitor, id)
            del mine[id]
            continue
        picture = put(store, visitor, data)
        mine[picture.id] = data
        store.put_answer(visitor, picture.id, answer("m", a=0.9, b=0.1))
        store.put_map(facts_of(data).sha256, f"map-{seed}", data)
        assert store.bytes_of(visitor, picture.id) == data
        assert store.bytes_of(visitor, picture.id, "thumbnail") == b"small " + data
    return list(mine)


PLAY = """
import sys
from pathlib import Path
from kunstkammer.web.settings import Settings
from kunstkammer.web.store import Store
from tests.web.store.test_races import play
store = Store.open(Settings(folder=Path(sys.argv[1]), database=sys.argv[2]))
print(len(play(store, int(sys.argv[3]), 20)))
"""


def test_threads_and_processes_on_the_same_contents(store, settings, database) -> None:
    arguments = [sys.executable, "-c", PLAY, str(settings.folder), database]
    others = [
        subprocess.Popen([*arguments, str(seed)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for seed in (101, 102)
    ]
    with ThreadPoolExecutor(6) as threads:
        kept = sum(len(ids) for ids in threads.map(lambda seed: play(store, seed, 15), range(6)))
    for other in others:
        out, errors = other.communicate(timeout=120)
        assert other.returncode == 0, errors
        kept += int(out)
    pictures = store.list(None, limit=500).items
    assert len(pictures) == kept
    for picture in pictures:
        assert facts_of(store.bytes_of(None, picture.id)) == picture.facts
    for visitor in {picture.visitor for picture in pictures}:
        store.delete_all(visitor)
    assert files_in(settings.folder / "pictures") == set()
