"""The survey: everything from one look at each picture, and nothing looked at twice."""

from __future__ import annotations

import hashlib
import os

import numpy as np
import pytest
from PIL import Image

from kunstkammer.data import known, single_pass
from kunstkammer.data.known import Facts, Known
from kunstkammer.data.plates import PlateSettings, make_plates
from kunstkammer.data.readers import read
from kunstkammer.data.survey import survey
from kunstkammer.pictures.read import read_picture

GREY = PlateSettings(20, 16, grey=True)
LARGE = PlateSettings(96, 128)
"""Plates that the facts of larger pictures are taken from."""


@pytest.fixture
def mixed(tmp_path):
    """Pictures of several formats and sizes, one turned by EXIF, one blank, one broken."""
    folder = tmp_path / "mixed" / "a"
    folder.mkdir(parents=True)
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 500, 3), dtype=np.uint8))
    noise.save(folder / "0.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    noise.save(folder / "1.jpg", exif=turned)
    noise.convert("L").save(folder / "2.webp")
    Image.new("RGB", (64, 40), (200, 200, 200)).save(folder / "3.gif")
    (folder / "4.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    return read(tmp_path / "mixed")


@pytest.fixture
def looks(monkeypatch) -> dict[str, list[str]]:
    """The names of the pictures that are read and decoded; files count as settled at once."""
    found: dict[str, list[str]] = {"read": [], "decoded": []}
    read_file, decode = single_pass._read, single_pass.read_picture

    def spy_read(source, name):
        found["read"].append(name)
        return read_file(source, name)

    def spy_decode(source, *, name=None, **options):
        found["decoded"].append(name)
        return decode(source, name=name, **options)

    monkeypatch.setattr(single_pass, "_read", spy_read)
    monkeypatch.setattr(single_pass, "read_picture", spy_decode)
    monkeypatch.setattr(single_pass, "settled", lambda state: True)
    return found


def test_the_facts_of_each_picture(mixed, tmp_path):
    seen = survey(mixed, cache=tmp_path, show_progress=False)
    assert seen.files == mixed.files
    assert seen.formats == ["PNG", "JPEG", "WEBP", "GIF", ""]
    assert seen.sizes.tolist() == [[500, 300], [300, 500], [500, 300], [64, 40], [0, 0]]
    content = mixed.source(2).read_bytes()
    assert seen.sha256[2] == hashlib.sha256(content).hexdigest()
    assert seen.sha256[4] == ""
    assert list(seen.errors) == [4]
    assert seen.errors[4].file == "a/4.jpg"
    assert seen.readable.tolist() == [True, True, True, True, False]
    assert seen.plates is None
    assert seen.means[3] == 200
    assert seen.deviations[3] == 0
    assert seen.means[0] == pytest.approx(127.5, abs=2)
    assert seen.thumbnails.shape == (5, 32, 32)
    grey = np.asarray(read_picture(mixed.source(2), grey=True), dtype=float)
    assert seen.thumbnails[2].mean() == pytest.approx(grey.mean(), abs=1)


def test_one_look_gives_facts_and_plates(mixed, tmp_path, looks):
    seen = survey(mixed, GREY, cache=tmp_path, show_progress=False)
    assert sorted(looks["read"]) == sorted(mixed.files)
    assert sorted(looks["decoded"]) == sorted(mixed.files)
    alone = make_plates(mixed, GREY, cache=tmp_path / "other", show_progress=False)
    assert np.array_equal(seen.plates[[0, 1, 2, 3]], alone[[0, 1, 2, 3]])
    assert seen.plates.readable.tolist() == seen.readable.tolist()


def test_a_second_survey_looks_only_at_what_is_broken(mixed, tmp_path, looks):
    first = survey(mixed, GREY, cache=tmp_path, show_progress=False)
    for found in looks.values():
        found.clear()
    again = survey(mixed, GREY, cache=tmp_path, show_progress=False)
    make_plates(mixed, GREY, cache=tmp_path, show_progress=False)
    assert set(looks["read"]) == set(looks["decoded"]) == {"a/4.jpg"}
    for name in ("phash", "thumbnails", "sizes", "means", "deviations"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert (first.sha256, first.formats) == (again.sha256, again.formats)


def test_the_cache_and_the_workers_change_nothing(mixed, tmp_path, monkeypatch):
    first = survey(mixed, GREY, cache=tmp_path / "one", workers=1, show_progress=False)
    monkeypatch.setattr(single_pass, "CHUNK_PICTURES", 2)
    other = survey(mixed, GREY, cache=tmp_path / "two", workers=5, show_progress=False)
    assert np.array_equal(first.phash, other.phash)
    assert np.array_equal(first.thumbnails, other.thumbnails)


@pytest.mark.parametrize("settings", [GREY, LARGE])
def test_plates_made_before_leave_only_the_facts_to_find(mixed, tmp_path, settings):
    plates = make_plates(mixed, settings, cache=tmp_path, show_progress=False)
    seen = survey(mixed, settings, cache=tmp_path, show_progress=False)
    fresh = survey(mixed, settings, cache=tmp_path / "other", show_progress=False)
    for name in ("phash", "thumbnails", "sizes", "means", "deviations"):
        assert np.array_equal(getattr(seen, name), getattr(fresh, name))
    assert np.array_equal(seen.plates[[0, 1]], plates[[0, 1]])


@pytest.mark.parametrize("grey", [True, False])
def test_facts_taken_from_plates_are_those_of_the_pictures(mixed, tmp_path, grey):
    page = Image.effect_mandelbrot((700, 900), (-2, -1.4, 1, 1.4), 60).convert("RGB")
    page.save(mixed.source(0))
    plain = survey(mixed, cache=tmp_path, show_progress=False)
    seen = survey(mixed, PlateSettings(96, 128, grey=grey), cache=tmp_path, show_progress=False)
    assert np.abs(seen.thumbnails.astype(int) - plain.thumbnails).mean() < 1
    assert np.allclose(seen.means, plain.means, atol=1)
    assert seen.deviations[0] == pytest.approx(plain.deviations[0], rel=0.1)
    assert seen.deviations[3] == 0
    assert int(seen.phash[0] ^ plain.phash[0]).bit_count() <= 4
    assert np.array_equal(seen.sizes, plain.sizes)


def test_a_file_larger_than_what_is_held_in_memory_is_read_from_the_disk(mixed, tmp_path, monkeypatch):
    small = survey(mixed, cache=tmp_path / "one", show_progress=False)
    monkeypatch.setattr(single_pass, "_WHOLE_FILE_BYTES", 1000)
    large = survey(mixed, cache=tmp_path / "two", show_progress=False)
    assert small.sha256 == large.sha256
    assert np.array_equal(small.thumbnails, large.thumbnails)


def test_a_pipe_among_the_pictures_does_not_hold_up_the_survey(mixed, tmp_path):
    place = mixed.source(0)
    place.unlink()

    os.mkfifo(place)
    seen = survey(mixed, cache=tmp_path, show_progress=False)
    assert seen.errors[0].cause == "not a regular file"


def test_what_was_not_used_for_longest_is_forgotten_when_the_index_grows(tmp_path, monkeypatch):
    facts = Facts(1, 1, "PNG", 0.0, 0.0, bytes(1024))
    with Known(tmp_path) as index:
        for day in range(5):
            monkeypatch.setattr(known, "_today", lambda day=day: day)
            index.add([], {bytes([day]) * 32 + bytes([k]): facts for k in range(200)}, "how")
        monkeypatch.setattr(known, "LIMIT_BYTES", index.path.stat().st_size // 2)
        index.mark_used([], [bytes([0]) * 32 + bytes([k]) for k in range(100)], "how")  # on the last day
        assert index.path.stat().st_size <= known.LIMIT_BYTES
        left = [len(index.facts([bytes([day]) * 32 + bytes([k]) for k in range(200)], "how")) for day in range(5)]
    assert left[0] == 100
    assert left[4] == 200
    assert left[1] == 0
