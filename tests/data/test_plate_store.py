"""The plate store: whole or absent whatever happens to the process or the disk, bounded, shared by many processes."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kunstkammer.data import plate_store, single_pass
from kunstkammer.data.known import NAME, Known
from kunstkammer.data.plate_store import DamagedSegmentError, PlateStore, Segment
from kunstkammer.data.plates import PlateSettings, make_plates
from kunstkammer.data.readers import read
from kunstkammer.errors import ResourceError
from tests.conftest import write_collection

GREY = PlateSettings(20, 16, grey=True)
SHAPE = (1, 4, 5)


def plates_of(folder, cache, wanted=GREY, **options):
    return make_plates(read(folder), wanted, cache=cache, show_progress=False, **options)


def rows(n: int, seed: int = 0) -> tuple[list[bytes], np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.bytes(32) for _ in range(n)], random.integers(0, 256, (n, *SHAPE), dtype=np.uint8)


def segments(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.plates"))


def left_behind(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if path.name.startswith(".writing")]


def test_what_is_added_is_found_by_its_digest(tmp_path):
    store = PlateStore(tmp_path, "key", SHAPE)
    digests, plates = rows(7)
    digests[3] = bytes(32)  # zeros at the end of a digest count like any other byte
    store.add(digests, plates)
    found = store.find([digests[3], digests[6], b"\1" * 32])
    assert found.keys() == {digests[3], digests[6]}
    for digest, (segment, row) in found.items():
        assert np.array_equal(segment.plates[row], plates[digests.index(digest)])
    assert store.find().keys() == set(digests)


def test_the_same_plates_make_the_same_file(tmp_path):
    store = PlateStore(tmp_path, "key", SHAPE)
    first = store.add(*rows(3))
    assert store.add(*rows(3)).path == first.path
    assert len(segments(tmp_path)) == 1


@pytest.mark.parametrize("keep", [0, 10, 4096, -1])
def test_a_segment_that_was_cut_off_is_noticed_and_made_anew(collection_folder, tmp_path, capsys, keep):
    before = plates_of(collection_folder, tmp_path)[:]
    (path,) = segments(tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    after = plates_of(collection_folder, tmp_path)[:]
    assert np.array_equal(before, after)
    assert "damaged" in capsys.readouterr().err
    assert np.array_equal(plates_of(collection_folder, tmp_path)[:], before)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("place", [0, 12, 70])  # magic, count, index
def test_a_damaged_header_or_index_is_noticed(tmp_path, capsys, place):
    store = PlateStore(tmp_path, "key", SHAPE)
    path = store.add(*rows(3)).path
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)
    assert store.find() == {}
    assert not path.exists()
    assert "made anew" in capsys.readouterr().err


def test_damage_in_the_plates_is_noticed_when_checksums_are_verified(collection_folder, tmp_path, capsys):
    before = plates_of(collection_folder, tmp_path)[:]
    (path,) = segments(tmp_path)
    content = bytearray(path.read_bytes())
    content[-5] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DamagedSegmentError, match="plates"):
        Segment(path, GREY.shape).check()
    assert np.array_equal(plates_of(collection_folder, tmp_path, verify=True)[:], before)
    assert "damaged" in capsys.readouterr().err


def test_a_damaged_index_of_files_is_made_anew(collection_folder, tmp_path, capsys):
    plates = plates_of(collection_folder, tmp_path)[:]
    (tmp_path / NAME).write_bytes(b"this is no database" * 500)
    assert np.array_equal(plates_of(collection_folder, tmp_path)[:], plates)
    assert "made anew" in capsys.readouterr().err
    with contextlib.closing(sqlite3.connect(tmp_path / NAME)) as connection:
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)


def test_a_page_damaged_inside_the_index_of_files_does_not_stop_a_run(tmp_path, capsys):
    with Known(tmp_path) as known:
        known.add([(b"%d" % i, "s", bytes(32)) for i in range(3000)], {}, "")
    content = bytearray((tmp_path / NAME).read_bytes())
    content[8192:] = bytes(len(content) - 8192)
    (tmp_path / NAME).write_bytes(content)
    with Known(tmp_path) as known:
        assert known.digests({b"%d" % i: "s" for i in range(3000)}) == {}
        known.add([(b"x", "s", b"\1" * 32)], {}, "")
        assert known.digests({b"x": "s"}) == {b"x": b"\1" * 32}
    assert "made anew" in capsys.readouterr().err


BUILDER = """
import json, os, sys, time
from pathlib import Path
from kunstkammer.data import single_pass
from kunstkammer.data.plates import PlateSettings, make_plates
from kunstkammer.data.readers import read
data, cache, pause, trials = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), json.loads(sys.argv[4])
single_pass.CHUNK_BYTES = 5 * 20 * 16
single_pass.settled = lambda state: True
inner = single_pass.read_picture
def slow(*args, **options):
    time.sleep(pause)
    return inner(*args, **options)
single_pass.read_picture = slow
collection = read(data)
def build():
    return make_plates(collection, PlateSettings(20, 16, grey=True), cache=cache, workers=2, show_progress=False)
for delay in trials:
    child = os.fork()
    if not child:
        build()
        os._exit(0)
    time.sleep(delay)
    os.kill(child, 9)
    _, status = os.waitpid(child, 0)
    kept = sum(1 for path in cache.rglob("*.plates"))
    print(json.dumps({"killed": os.WIFSIGNALED(status), "segments": kept}), flush=True)
if not trials:
    print("building", flush=True)
    build()
"""


def builder(data: Path, cache: Path, pause: float, trials: list[float]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BUILDER, str(data), str(cache), str(pause), json.dumps(trials)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_build_killed_at_any_moment_loses_at_most_a_chunk(tmp_path, monkeypatch):
    data = write_collection(tmp_path / "data", each=40)
    reference = plates_of(data, tmp_path / "reference")[:]
    cache = tmp_path / "cache"
    killer = builder(data, cache, 0.01, [0.05, 0.12, 0.12, 0.2])
    out, err = killer.communicate(timeout=120)
    trials = [json.loads(line) for line in out.splitlines()]
    assert len(trials) == 4, err
    assert sum(trial["killed"] for trial in trials) >= 2, "no build was killed while it ran"
    kept = [trial["segments"] for trial in trials]
    assert kept == sorted(kept), "a later build lost what an earlier one had finished"
    for path in segments(cache):
        Segment(path, GREY.shape).check()

    decoded: list[str] = []
    inner = single_pass.read_picture

    def spy(source, **options):
        decoded.append(options["name"])
        return inner(source, **options)

    monkeypatch.setattr(single_pass, "read_picture", spy)
    assert np.array_equal(plates_of(data, cache)[:], reference)
    assert len(decoded) == 80 - 5 * kept[-1]


def test_two_builders_at_once_do_not_harm_each_other(tmp_path):
    data = write_collection(tmp_path / "data", each=40)
    cache = tmp_path / "cache"
    both = [builder(data, cache, 0.002, []) for _ in range(2)]
    for process in both:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    for path in segments(cache):
        Segment(path, GREY.shape).check()
    assert np.array_equal(plates_of(data, cache)[:], plates_of(data, tmp_path / "reference")[:])
    assert left_behind(cache) == []


@pytest.fixture
def tiny_disk(tmp_path):
    """A disk of one megabyte."""
    place = tmp_path / "tiny"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root can mount a disk to fill it up")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_is_too_small_is_said_before_anything_is_decoded(collection_folder, tiny_disk):
    with pytest.raises(ResourceError, match=r"need 0\.0 GB.*KUNSTKAMMER_CACHE"):
        plates_of(collection_folder, tiny_disk, PlateSettings(200, 200))
    assert segments(tiny_disk) == []


def test_a_disk_that_fills_up_leaves_nothing_half_written(collection_folder, tiny_disk, monkeypatch):
    monkeypatch.setattr(single_pass, "CHUNK_BYTES", 4 * 3 * 200 * 200)
    monkeypatch.setattr(PlateStore, "prepare", lambda self, plates: None)  # as if another program took the room
    with pytest.raises(ResourceError, match=r"the disk is full.*KUNSTKAMMER_CACHE"):
        plates_of(collection_folder, tiny_disk, PlateSettings(200, 200))
    assert left_behind(tiny_disk) == []
    assert len(segments(tiny_disk)) == 2, "what was whole stays and will be used"
    for path in segments(tiny_disk):
        Segment(path, (3, 200, 200)).check()


def test_a_full_disk_under_the_index_of_files_is_one_clear_error(collection_folder, tiny_disk):
    (tiny_disk / "filler").write_bytes(bytes(1 << 20))
    with pytest.raises(ResourceError, match="Set KUNSTKAMMER_CACHE") as caught:
        plates_of(collection_folder, tiny_disk)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_refuses_is_one_clear_error(collection_folder, tmp_path, monkeypatch, code):
    def refuse(descriptor):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("kunstkammer.files.os.fsync", refuse)
    with pytest.raises(ResourceError, match="Set KUNSTKAMMER_CACHE"):
        plates_of(collection_folder, tmp_path)
    assert left_behind(tmp_path) == []
    assert segments(tmp_path) == []


def test_a_read_only_cache_serves_what_it_holds(collection_folder, tiny_disk, monkeypatch):
    monkeypatch.setattr(single_pass, "settled", lambda state: True)
    before = plates_of(collection_folder, tiny_disk)[:]
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    monkeypatch.setattr("kunstkammer.data.known._today", lambda: 10**6)  # another day, when use would be noted
    assert np.array_equal(plates_of(collection_folder, tiny_disk)[:], before)
    with pytest.raises(ResourceError, match=r"read-?only.*Set KUNSTKAMMER_CACHE"):
        plates_of(collection_folder, tiny_disk, PlateSettings(9, 9))


def test_over_the_limit_the_least_recently_used_go_first(tmp_path, monkeypatch):
    store = PlateStore(tmp_path, "key", SHAPE)
    paths = []
    for seed in range(4):
        paths.append(store.add(*rows(100, seed)).path)  # 4096 + 2000 bytes each, index included
        os.utime(paths[-1], (time.time() - 1000 + seed,) * 2)
    each = paths[0].stat().st_size
    os.utime(paths[0])  # the oldest, but used just now
    monkeypatch.setenv(plate_store.LIMIT_VARIABLE, str(3.5 * each / 1e9))
    other = PlateStore(tmp_path, "other", SHAPE)  # the limit holds for all stores together
    other.prepare(each // 20)
    assert [path.exists() for path in paths] == [True, False, False, True]


def test_segments_in_use_are_never_evicted(tmp_path, monkeypatch, capsys):
    store = PlateStore(tmp_path, "key", SHAPE)
    held = store.add(*rows(100, 0))
    free = store.add(*rows(100, 1)).path
    monkeypatch.setenv(plate_store.LIMIT_VARIABLE, "0")
    store.prepare(1)
    assert held.path.exists()
    assert not free.exists()
    assert plate_store.LIMIT_VARIABLE in capsys.readouterr().err


def test_a_limit_that_is_no_number_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(plate_store.LIMIT_VARIABLE, "much")
    with pytest.raises(ResourceError, match="'much'"):
        PlateStore(tmp_path, "key", SHAPE).prepare(1)


def test_plates_evicted_by_another_process_are_still_readable(collection_folder, tmp_path):
    plates = plates_of(collection_folder, tmp_path)
    before = plates[:]
    for path in segments(tmp_path):
        path.unlink()
    assert np.array_equal(plates[:], before)
    assert np.array_equal(plates_of(collection_folder, tmp_path)[:], before)


def test_strays_of_dead_processes_go_and_those_of_living_ones_stay(tmp_path):
    store = PlateStore(tmp_path, "key", SHAPE)
    store.folder.mkdir(parents=True)
    old, young = store.folder / ".writing-old", store.folder / ".writing-young"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    store.prepare(1)
    assert not old.exists()
    assert young.exists()


def test_many_small_segments_become_one(tmp_path):
    store = PlateStore(tmp_path, "key", SHAPE)
    kept = {}
    for seed in range(40):
        digests, plates = rows(2, seed)
        store.add(digests, plates)
        kept.update(zip(digests, plates, strict=True))
    store.merge_small()
    assert len(segments(tmp_path)) == 1
    found = store.find()
    assert found.keys() == kept.keys()
    assert all(np.array_equal(segment.plates[row], kept[digest]) for digest, (segment, row) in found.items())
