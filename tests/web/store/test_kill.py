"""What was acknowledged survives `kill -9` at any moment, and what a kill leaves is swept.

python -m tests.web.store.test_kill 30 [DATABASE-URL]      kills that often, for longer than the test does
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from kunstkammer.errors import KunstkammerError
from kunstkammer.web.settings import Settings
from kunstkammer.web.store import Store
from tests.web.store.adding import add_and_delete
from tests.web.store.conftest import facts_of, files_in, put


def kill_again_and_again(folder: Path, database: str, times: int, seed: int = 0) -> tuple[int, int, int]:
    """Kill a process that adds and deletes; return how many were added, how many of them lost, and orphans swept."""
    rng = random.Random(seed)
    said: dict[str, set[str]] = {word: set() for word in ("added", "corrected", "deleting", "deleted")}
    diary = folder / "diary"
    fork = multiprocessing.get_context("forkserver")
    fork.set_forkserver_preload(["tests.web.store.adding"])
    for turn in range(times):
        diary.touch()
        before = diary.stat().st_size
        worker = fork.Process(target=add_and_delete, args=(folder, database, diary, seed * 1000 + turn))
        worker.start()
        end = time.monotonic() + 60
        while diary.stat().st_size == before:  # until it has added something
            assert worker.is_alive(), "it died before it was killed"
            assert time.monotonic() < end, "it adds nothing"
            time.sleep(0.005)
        time.sleep(rng.uniform(0.0, 0.25))
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        assert worker.exitcode == -signal.SIGKILL
    for line in diary.read_text().splitlines():
        word, id = line.split()
        said[word].add(id)
    store = Store.open(Settings(folder=folder, database=database))
    lost = 0
    for id in said["added"] - said["deleting"]:
        try:
            picture = store.get("ada", id)
            whole = facts_of(store.bytes_of("ada", id)) == picture.facts and store.bytes_of("ada", id, "thumbnail")
            lost += not (whole and (id not in said["corrected"] or "m" in picture.corrections))
        except KunstkammerError:
            lost += 1
    there = store.list(None, limit=500)
    while there.next:
        more = store.list(None, limit=500, after=there.next)
        there = type(there)(there.items + more.items, there.total, more.next)
    back = said["deleted"] & {picture.id for picture in there.items}
    for picture in there.items:  # also those that were never acknowledged are whole
        assert facts_of(store.bytes_of(None, picture.id)) == picture.facts
    swept = sweep_as_if_later(store)
    known = {picture.facts.sha256 for picture in there.items}
    assert {Path(file).name.split(".")[0] for file in files_in(folder / "pictures")} == known
    store.delete_all("ada")
    assert files_in(folder / "pictures") == set()
    store.close()
    assert not back, f"{len(back)} deleted pictures came back"
    return len(said["added"]), lost, swept


def sweep_as_if_later(store: Store) -> int:
    """Sweep as it will be done after the time of grace."""
    from kunstkammer.web.store import deleting

    grace = deleting.GRACE
    deleting.GRACE = -1.0
    try:
        return store.sweep()
    finally:
        deleting.GRACE = grace


def test_nothing_acknowledged_is_lost(tmp_path, database) -> None:
    (tmp_path / "house").mkdir()
    added, lost, _ = kill_again_and_again(tmp_path / "house", database, 8)
    assert added >= 8
    assert lost == 0


def test_the_sweep_takes_only_what_is_old_and_nobodys(store, settings) -> None:
    picture = put(store, "ada", b"one")
    store.put_map(picture.facts.sha256, "k", b"map")
    pictures = settings.folder / "pictures"
    kept = files_in(pictures)
    store._blobs.put("cd" * 32 + "." + "0" * 24, {"original": b"left by a kill"})
    (pictures / "cd" / "notes.txt").parent.mkdir(exist_ok=True)
    (pictures / "cd" / "notes.txt").write_text("not ours")
    folder = Path(store._blobs.folder)
    (folder / "cd" / f"{'cd' * 32}.{'0' * 24}.map.01234567.partial").write_bytes(b"ha")
    (folder / "cd" / "notes.txt").write_text("not ours either")
    now = f"{time.time_ns() // 1_000_000:012x}"
    store._blobs.put("ef" * 32 + f".{now}" + "0" * 12, {"original": b"just being added"})
    assert store.sweep() == 2
    assert len(files_in(pictures)) == len(kept) + 3
    assert store.bytes_of("ada", picture.id) == b"one"
    assert store.get_map(picture.facts.sha256, "k") == b"map"


def test_another_databases_files_are_not_swept(open_store, settings, tmp_path) -> None:
    """Somebody starts with another database on the same place for pictures."""
    first = open_store()
    picture = put(first, "ada", b"one")
    other = open_store(database=f"sqlite:///{tmp_path / 'other.db'}")
    put(other, "bob", b"one")
    assert sweep_as_if_later(other) == 0
    assert other.delete_all("bob") == 1
    assert first.bytes_of("ada", picture.id) == b"one"


def main() -> None:
    """Kill as often as asked for and say what became of it."""
    times = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        database = sys.argv[2] if len(sys.argv) > 2 else f"sqlite:///{folder}/test.db"
        added, lost, swept = kill_again_and_again(Path(folder), database, times, seed=1)
    print(f"{times} kills, {added} pictures acknowledged, {lost} lost, {swept} files swept")
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
