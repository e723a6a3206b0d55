"""Plates: decoded once, found again by content, gathered quickly, the same whatever the cache and the workers."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from kunstkammer.data import single_pass
from kunstkammer.data.collection import make_collection
from kunstkammer.data.plates import PlateSettings, make_plate, make_plates
from kunstkammer.data.readers import read
from kunstkammer.errors import PictureError, RecipeError
from kunstkammer.pictures.read import read_picture
from kunstkammer.pictures.scale import fit_picture, to_tensor
from tests.conftest import write_collection

GREY = PlateSettings(20, 16, grey=True)


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """The names of the pictures that are decoded, as they are decoded; files count as settled at once."""
    names: list[str] = []

    def spy(source, *, name=None, **options):
        names.append(name)
        return read_picture(source, name=name, **options)

    monkeypatch.setattr(single_pass, "read_picture", spy)
    monkeypatch.setattr(single_pass, "settled", lambda state: True)
    return names


def plates_of(folder, cache, wanted=GREY, **options):
    return make_plates(read(folder), wanted, cache=cache, show_progress=False, **options)


@pytest.mark.parametrize("fit", ["squash", "pad", "crop"])
@pytest.mark.parametrize("grey", [True, False])
def test_a_plate_is_the_picture_read_and_fitted(collection_folder, tmp_path, grey, fit):
    wanted = PlateSettings(20, 16, grey=grey, fit=fit)
    collection = read(collection_folder)
    plates = make_plates(collection, wanted, cache=tmp_path, show_progress=False)
    assert len(plates) == 24
    assert plates.readable.all()
    for i in (0, 7, 23):
        expected = to_tensor([fit_picture(read_picture(collection.source(i), grey=grey), (20, 16), fit)])[0]
        apart = (plates[i].int() - expected.int()).abs()
        assert apart.max() <= 1
        assert (apart > 0).float().mean() < 0.02
        assert np.array_equal(make_plate(collection.source(i), wanted, "x"), plates[i].numpy())


def test_any_way_of_indexing_gathers_the_same_rows(collection_folder, tmp_path):
    plates = plates_of(collection_folder, tmp_path)
    every = plates[:]
    assert every.dtype == torch.uint8
    assert every.shape == (24, 1, 20, 16)
    mask = np.zeros(24, dtype=bool)
    mask[[3, 5]] = True
    for indices in ([3, 5], (3, 5), np.array([3, 5]), torch.tensor([3, 5]), mask, [-21, -19], slice(3, 6, 2)):
        batch = plates[indices]
        assert batch.is_contiguous()
        assert torch.equal(batch, every[[3, 5]])
    assert plates[[]].shape == (0, 1, 20, 16)
    assert plates[4].shape == (1, 20, 16)
    for wrong in ([24], [-25], [0.5], mask[:5]):
        with pytest.raises(IndexError):
            plates[wrong]


def test_a_batch_may_be_changed_without_changing_the_plates(collection_folder, tmp_path):
    plates = plates_of(collection_folder, tmp_path)
    before = plates[:]
    plates[[0, 1]].zero_()
    assert torch.equal(plates[:], before)


def test_known_pictures_are_neither_read_nor_decoded_again(collection_folder, tmp_path, opened, monkeypatch):
    first = plates_of(collection_folder, tmp_path)
    assert len(opened) == 24
    opened.clear()
    monkeypatch.setattr(single_pass, "_read", lambda *_: pytest.fail("a known file was read"))
    again = plates_of(collection_folder, tmp_path)
    assert opened == []
    assert torch.equal(first[:], again[:])


def test_another_collection_with_the_same_pictures_decodes_nothing(collection_folder, tmp_path, opened):
    plates_of(collection_folder, tmp_path / "cache")
    opened.clear()
    moved = shutil.copytree(collection_folder, tmp_path / "elsewhere")
    write_collection(moved, labels=("new",), each=2, seed=5)
    plates = plates_of(moved, tmp_path / "cache")
    assert sorted(opened) == ["new/000.png", "new/001.png"]
    assert len(plates) == 26


def test_one_content_is_stored_once(collection_folder, tmp_path):
    for k in range(5):
        shutil.copy(collection_folder / "dark" / "000.png", collection_folder / "light" / f"copy{k}.png")
    plates = plates_of(collection_folder, tmp_path)
    assert len(plates) == 29
    (segment,) = (tmp_path / "plates").rglob("*.plates")
    assert segment.stat().st_size == 4096 + 24 * 20 * 16


def test_a_file_whose_content_changes_gets_another_plate(collection_folder, tmp_path, opened):
    file = collection_folder / "dark" / "003.png"
    before = plates_of(collection_folder, tmp_path)[3]
    state = file.stat()
    Image.new("RGB", (48, 48), "red").save(file)
    file.write_bytes(file.read_bytes().ljust(state.st_size, b"\0"))  # the same size
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))  # and the same mtime: ctime tells
    opened.clear()
    after = plates_of(collection_folder, tmp_path)[3]
    assert opened == ["dark/003.png"]
    assert not torch.equal(before, after)


def test_a_file_that_has_just_changed_is_not_trusted_next_time(collection_folder, tmp_path, monkeypatch):
    plates_of(collection_folder, tmp_path)  # these files are younger than the clock tick of a file system
    read_again = []
    inner = single_pass._read
    monkeypatch.setattr(single_pass, "_read", lambda source, name: read_again.append(name) or inner(source, name))
    plates_of(collection_folder, tmp_path)
    assert len(read_again) == 24


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(workers=st.integers(1, 7), chunk=st.integers(1, 30))
def test_workers_and_chunks_change_no_value(collection_folder, tmp_path_factory, monkeypatch, workers, chunk):
    reference = plates_of(collection_folder, collection_folder.parent / "reference")[:]
    cache = tmp_path_factory.mktemp("cache")
    with monkeypatch.context() as patch:
        patch.setattr(single_pass, "CHUNK_BYTES", chunk * 320)
        plates = plates_of(collection_folder, cache, workers=workers)
    assert len(list(cache.rglob("*.plates"))) == -(-24 // chunk)
    assert torch.equal(plates[:], reference)
    assert torch.equal(plates_of(collection_folder, cache)[:], reference)
    shuffled = np.random.default_rng(chunk).permutation(24)
    assert torch.equal(plates[shuffled], reference[shuffled])


def test_unreadable_pictures_are_collected_and_raise_only_when_asked_for(collection_folder, tmp_path):
    (collection_folder / "dark" / "004.png").write_bytes(b"not a picture at all")
    whole = (collection_folder / "dark" / "005.png").read_bytes()
    (collection_folder / "dark" / "005.png").write_bytes(whole[: len(whole) // 2])
    (collection_folder / "dark" / "006.png").write_bytes(b"")
    collection = read(collection_folder)
    (collection_folder / "dark" / "007.png").unlink()
    for _ in range(2):  # fresh and from the cache
        plates = make_plates(collection, GREY, cache=tmp_path, show_progress=False)
        assert np.flatnonzero(~plates.readable).tolist() == [4, 5, 6, 7]
        assert [error.file for error in plates.unreadable] == [f"dark/00{k}.png" for k in (4, 5, 6, 7)]
        assert plates[[3, 8]].shape[0] == 2
        with pytest.raises(PictureError, match=r"dark/005\.png: truncated"):
            plates[[3, 5]]
    chosen = plates.select([8, 5, 0])
    assert chosen.readable.tolist() == [True, False, True]
    assert torch.equal(chosen[[2, 0]], plates[[0, 8]])
    with pytest.raises(PictureError, match=r"dark/005\.png"):
        chosen[1]


def test_pictures_held_as_bytes_have_plates_too(collection_folder, tmp_path):
    files = read(collection_folder)
    held = make_collection(
        name="held",
        files=files.files,
        sources=[files.source(i).read_bytes() for i in range(len(files))],
        labels=files.labels,
    )
    plates = make_plates(held, GREY, cache=tmp_path, show_progress=False)
    assert torch.equal(plates[:], plates_of(collection_folder, tmp_path)[:])


def test_a_large_jpeg_is_decoded_in_full(tmp_path):
    ramp = Image.linear_gradient("L").resize((1600, 1200))
    (tmp_path / "data" / "a").mkdir(parents=True)
    ramp.save(tmp_path / "data" / "a" / "ramp.jpg", quality=95)
    plates = plates_of(tmp_path / "data", tmp_path, PlateSettings(120, 120, grey=True))
    full = np.asarray(fit_picture(Image.open(tmp_path / "data" / "a" / "ramp.jpg"), (120, 120)))
    assert np.array_equal(plates[0][0].numpy(), full)


def test_wrong_settings_are_refused():
    with pytest.raises(RecipeError, match="at least 1 x 1"):
        PlateSettings(0, 5)
    with pytest.raises(RecipeError, match="Did you mean 'squash'"):
        PlateSettings(5, 5, fit="sqash")  # type: ignore[arg-type]
