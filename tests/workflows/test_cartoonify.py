"""The function and the command cartoonify: what is written where, what is named, what is never overwritten."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import kunstkammer
from kunstkammer.errors import DataError, KunstkammerError, RecipeError
from tests.cli.command import run
from tests.pictures.test_cartoon import photograph


def write(folder, name, size=(60, 80), seed=0):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photograph(*size, seed=seed)[0].permute(1, 2, 0).numpy()).save(path)
    return path


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    write(folder, "a.png")
    write(folder, "b.jpg", seed=1)
    write(folder, "inner/a.png", size=(40, 50), seed=2)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return folder


def test_a_folder_becomes_a_folder_of_drawings(photos, tmp_path):
    done = run("cartoonify", str(photos), "--out", str(tmp_path / "drawn"), "--preset", "manga", "--json")
    assert done.status == 0
    found = done.json()
    written = sorted(str(p.relative_to(tmp_path / "drawn")) for p in (tmp_path / "drawn").rglob("*") if p.is_file())
    assert written == ["a.png", "b.jpg", "inner/a.png"]
    assert found["preset"] == "manga"
    assert found["strength"] == 1
    assert found["fitted"] is None
    assert sorted(item["out"] for item in found["pictures"]) == [str(tmp_path / "drawn" / name) for name in written]
    assert [item["file"] for item in found["unreadable"]] == [str(photos / "broken.png")]
    assert "broken.png" in done.stderr
    with Image.open(tmp_path / "drawn" / "a.png") as drawn:
        assert drawn.size == (80, 60)
        channels = np.asarray(drawn).astype(int)
        assert abs(channels[..., 0] - channels[..., 2]).max() <= 1


def test_one_picture_into_a_file_of_another_size(photos, tmp_path):
    out = tmp_path / "comic.jpg"
    done = run("cartoonify", str(photos / "a.png"), "--out", str(out), "--size", "40", "--strength", "0.5")
    assert done.status == 0
    assert f"Drew 1 picture (comic, strength 0.5) into {out}" in done.stdout
    with Image.open(out) as drawn:
        assert drawn.format == "JPEG"
        assert drawn.size == (40, 30)


def test_strength_0_leaves_the_pixels(photos, tmp_path):
    kunstkammer.cartoonify(photos / "a.png", out=tmp_path / "same.png", strength=0)
    assert (np.asarray(Image.open(tmp_path / "same.png")) == np.asarray(Image.open(photos / "a.png"))).all()


def test_nothing_is_overwritten(photos, tmp_path):
    before = (photos / "a.png").read_bytes()
    for out in (photos, photos / "a.png"):
        with pytest.raises(DataError, match="exists already and is not overwritten"):
            kunstkammer.cartoonify(photos / "a.png", out=out)
    assert (photos / "a.png").read_bytes() == before
    assert not list(photos.glob(".writing-*"))


def test_two_of_one_name_are_numbered(photos, tmp_path):
    write(tmp_path / "more", "a.png", seed=4)
    found = kunstkammer.cartoonify([photos / "a.png", tmp_path / "more" / "a.png"], out=tmp_path / "drawn")
    assert [place.name for _, place in found.pictures] == ["a.png", "a-2.png"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--preset", "mangga"], "Did you mean 'manga'"),
        (["--strength", "7"], "give 0 (unchanged) to 1.5"),
        (["--out", "all.png"], "do not go into the one file"),
        (["--out", "all.webp"], "drawings are written as"),
        (["--like", "nowhere"], "There is no picture or folder nowhere"),
    ],
)
def test_wrong_words_are_answered_in_a_line(photos, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    done = run("cartoonify", str(photos), "--out", "drawn", *words)
    assert done.status == 1
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "drawn").exists()


def test_only_unreadable_pictures_are_a_failure(photos, tmp_path):
    done = run("cartoonify", str(photos / "broken.png"), "--out", str(tmp_path / "drawn"))
    assert done.status == 1
    assert "None of the 1 pictures can be read" in done.stderr
    with pytest.raises(RecipeError):
        kunstkammer.cartoonify(photos, out=tmp_path / "drawn", size=0)


def test_like_a_folder_of_drawings(photos, tmp_path):
    for k in range(8):
        write(tmp_path / "more", f"{k}.png", seed=10 + k)
    drawn = kunstkammer.cartoonify(tmp_path / "more", out=tmp_path / "target", preset="manga")
    assert len(drawn.pictures) == 8
    done = run(
        "cartoonify", str(photos / "a.png"), str(photos / "b.jpg"), "--like", str(tmp_path / "target"),
        "--preset", "manga", "--out", str(tmp_path / "drawn"), "--json",
    )  # fmt: skip
    assert done.status == 0
    found = done.json()
    assert found["strength"] == found["fitted"]["strength"] > 0.5
    assert found["fitted"]["distance_after"] < found["fitted"]["distance_before"]
    assert "the distance falls from" in done.stderr


def test_like_too_few_drawings_is_said(photos, tmp_path):
    with pytest.raises(KunstkammerError, match="8 targets"):
        kunstkammer.cartoonify(photos, out=tmp_path / "drawn", like=photos)
