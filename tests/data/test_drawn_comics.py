"""Drawn comics and manga: shared subjects and sheets, artists of their own for each part, no trivial give-away."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kunstkammer import registry
from kunstkammer.data.drawn import album, comics
from kunstkammer.data.drawn.album import Order
from kunstkammer.data.drawn.style import ARTISTS, BANDS, CUES, KINDS, MAJORITY, RANGES, artists, manners
from kunstkammer.errors import DataError, KunstkammerError

PAGES = 300
TOO_EASY = 0.8


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One collection for all tests of this file."""
    return comics.draw_comics(tmp_path_factory.mktemp("drawn") / "comics", PAGES, seed=5, show_progress=False)


@pytest.fixture(scope="session")
def rows(folder: Path) -> list[dict[str, str]]:
    """Its table."""
    with open(folder / "metadata.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def digest(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file()
    }


def test_is_registered_as_a_kind_of_drawing() -> None:
    assert registry.get("drawings", "comics") is comics.draw_comics


def test_layout_on_disk_is_split_folders_of_class_folders_with_a_table(
    folder: Path, rows: list[dict[str, str]]
) -> None:
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*.jpg")}
    assert {row["file_name"] for row in rows} == files
    assert len(files) == PAGES
    for row in rows:
        split, label, _ = row["file_name"].split("/")
        assert (row["split"], row["label"]) == (split, label)
    counts = Counter((row["split"], row["label"]) for row in rows)
    assert counts == {
        ("train", "comic"): 105, ("train", "manga"): 105, ("validation", "comic"): 15, ("validation", "manga"): 15,
        ("test", "comic"): 30, ("test", "manga"): 30,
    }  # fmt: skip
    assert {p.name for p in folder.iterdir()} == {
        "train", "validation", "test", "metadata.csv", "objects.coco.json", "README.md",
    }  # fmt: skip
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert "seed 5" in readme
    assert "CC0" in readme


def test_pictures_open_and_have_the_size_of_a_page(folder: Path, rows: list[dict[str, str]]) -> None:
    for row in rows[::9]:
        with Image.open(folder / row["file_name"]) as picture:
            picture.load()
            assert picture.mode == "RGB"
            assert 240 <= picture.width <= 290
            assert 300 <= picture.height <= 350


def test_true_boxes_lie_in_their_pictures_and_name_panels_faces_and_balloons(
    folder: Path, rows: list[dict[str, str]]
) -> None:
    coco = json.loads((folder / "objects.coco.json").read_text(encoding="utf-8"))
    assert [c["name"] for c in coco["categories"]] == ["balloon", "caption", "face", "panel"]
    images = {image["id"]: image for image in coco["images"]}
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for thing in coco["annotations"]:
        image = images[thing["image_id"]]
        x, y, width, height = thing["bbox"]
        assert width > 0
        assert height > 0
        assert x >= 0
        assert y >= 0
        assert x + width <= image["width"] + 0.2
        assert y + height <= image["height"] + 0.2
        found[image["file_name"]][coco["categories"][thing["category_id"] - 1]["name"]] += 1
    for row in rows:
        assert found[row["file_name"]]["panel"] == int(row["panels"]) == len(row["shots"].split())
        assert found[row["file_name"]]["face"] >= 1


def test_a_face_box_frames_skin_and_ink() -> None:
    """On a coloured page a face's box is mostly skin; a box that is off would show backdrop."""
    drawing = comics.draw_page(Order("train/comic/0001.jpg", "comic", "train", 1, 0), size=comics.SIZE)
    picture = np.asarray(Image.open(io.BytesIO(drawing.data)).convert("L"), float)
    panels = [box for name, box in drawing.objects if name == "panel"]
    for name, (x0, y0, x1, y1) in drawing.objects:
        if name == "face":
            middle = ((x0 + x1) / 2, (y0 + y1) / 2)
            assert any(a - 3 <= middle[0] <= c + 3 and b - 3 <= middle[1] <= d + 3 for a, b, c, d in panels)
            assert picture[int(y0) : int(y1), int(x0) : int(x1)].std() > 15


def test_same_seed_gives_the_same_bytes_whatever_the_number_of_workers(tmp_path: Path) -> None:
    n = album.SERIAL_BELOW + 2
    one = comics.draw_comics(tmp_path / "one", n, seed=3, workers=1, show_progress=False)
    two = comics.draw_comics(tmp_path / "two", n, seed=3, workers=2, show_progress=False)
    other = comics.draw_comics(tmp_path / "other", 6, seed=4, show_progress=False)
    assert digest(one) == digest(two)
    assert digest(other)["train/comic/0001.jpg"] != digest(one)["train/comic/0001.jpg"]


def test_no_two_pages_are_alike(folder: Path) -> None:
    pictures = [value for name, value in digest(folder).items() if name.endswith(".jpg")]
    assert len(set(pictures)) == PAGES


def test_a_folder_with_something_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(DataError, match="already holds files"):
        comics.draw_comics(tmp_path, 6)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(DataError, match="is a file"):
        comics.draw_comics(tmp_path / "mine.txt", 6)


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    assert (comics.draw_comics(tmp_path, 6, show_progress=False) / "metadata.csv").is_file()


@pytest.mark.parametrize("n", [-1, 0, 5])
def test_too_few_pages_are_refused(tmp_path: Path, n: int) -> None:
    with pytest.raises(DataError, match="6 or more"):
        comics.draw_comics(tmp_path / "few", n)
    assert not any(tmp_path.iterdir())


def test_impossible_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="from 200 to 1200"):
        comics.draw_comics(tmp_path / "tiny", 6, size=(20, 20))


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(order: Order, **_: object) -> album.Drawing:
        raise KunstkammerError("no ink")

    monkeypatch.setattr(comics, "draw_page", fail)
    with pytest.raises(KunstkammerError, match="no ink"):
        comics.draw_comics(tmp_path / "out", 6)
    assert not any(tmp_path.iterdir())


def test_artists_of_one_part_draw_for_no_other(rows: list[dict[str, str]]) -> None:
    parts = defaultdict(set)
    for row in rows:
        parts[row["style"]].add((row["split"], row["label"]))
    assert all(len(where) == 1 for where in parts.values())
    used = Counter(next(iter(where)) for where in parts.values())
    assert used == {(part, kind): number for part, number in ARTISTS.items() for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_no_number_of_a_test_artist_lies_among_those_of_the_training_artists(kind: str, seed: int) -> None:
    training, held_out = artists(kind, "train", seed), artists(kind, "test", seed)
    for number, (low, high) in RANGES.items():
        known = [artist[number] for artist in training]
        for artist in held_out:
            assert artist[number] < min(known) or artist[number] > max(known)
            place = (artist[number] - low) / (high - low)
            assert any(a - 1e-2 <= place <= b + 1e-2 for a, b in BANDS["test"])


def test_both_kinds_tell_the_same_scripts(rows: list[dict[str, str]]) -> None:
    shared = ("subject", "layout", "panels", "shots", "colouring")
    told = {
        kind: Counter((row["split"], *(row[key] for key in shared)) for row in rows if row["label"] == kind)
        for kind in KINDS
    }
    assert told["comic"] == told["manga"]


def test_every_mark_crosses_over_but_every_page_can_be_decided(rows: list[dict[str, str]]) -> None:
    for cue in CUES:
        own = np.mean([row[f"cue_{cue}"] == row["label"] for row in rows])
        crossed = np.mean([row[f"cue_{cue}"] not in (row["label"], "neither") for row in rows])
        assert 0.7 < own < 0.97, cue
        assert 0.02 < crossed < 0.2, cue
    for row in rows:
        page = [row[f"cue_{cue}"] for cue in CUES]
        other = "manga" if row["label"] == "comic" else "comic"
        assert page.count(row["label"]) - page.count(other) >= MAJORITY


def test_manners_are_drawn_for_the_kind_that_is_asked_for() -> None:
    import random

    lots = [manners("manga", random.Random(i)) for i in range(200)]
    assert all(set(page) == set(CUES) for page in lots)
    assert sum(page["eyes"] == "manga" for page in lots) > 3 * sum(page["eyes"] == "comic" for page in lots)


def trivial_features(path: Path) -> dict[str, float]:
    """What a lazy model could look at."""
    picture = Image.open(path)
    colour = np.asarray(picture.convert("RGB"), dtype=np.float32)
    grey = np.asarray(picture.convert("L"), dtype=np.float32)
    across, down = np.abs(np.diff(grey, axis=1)), np.abs(np.diff(grey, axis=0))
    shares = np.bincount(grey.astype(np.uint8).ravel(), minlength=256) / grey.size
    png, jpeg = io.BytesIO(), io.BytesIO()
    picture.convert("L").save(png, "PNG", compress_level=1)
    picture.save(jpeg, "JPEG", quality=75)
    return {
        "mean grey": grey.mean(),
        **dict(zip(("mean red", "mean green", "mean blue"), colour.mean(axis=(0, 1)), strict=True)),
        "saturation": (colour.max(axis=2) - colour.min(axis=2)).mean(),
        "white share": (grey > 225).mean(),
        "black share": (grey < 50).mean(),
        "standard deviation": grey.std(),
        "edge density": across.mean() + down.mean(),
        "strong edges": (across > 60).mean() + (down > 60).mean(),
        "edge direction": across.mean() / down.mean(),
        "entropy": -(shares[shares > 0] * np.log2(shares[shares > 0])).sum(),
        "file size": path.stat().st_size,
        "bytes a pixel": path.stat().st_size / grey.size,
        "PNG size": png.tell(),
        "JPEG size": jpeg.tell(),
        "width": picture.width,
        "height": picture.height,
        "aspect": picture.width / picture.height,
    }


def best_threshold(values: np.ndarray, truth: np.ndarray) -> float:
    """Accuracy of the best rule "above t is one kind", in either direction."""
    best = 0.5
    for t in np.unique(values):
        right = float(((values >= t) == truth).mean())
        best = max(best, right, 1 - right)
    return best


def test_best_threshold_finds_a_perfect_rule_either_way() -> None:
    truth = np.array([0, 0, 1, 1])
    assert best_threshold(np.array([1, 2, 3, 4]), truth) == 1
    assert best_threshold(np.array([4, 3, 2, 1]), truth) == 1


@pytest.fixture(scope="session")
def features(folder: Path, rows: list[dict[str, str]]) -> dict[str, np.ndarray]:
    """Each trivial feature over all pages."""
    table = [trivial_features(folder / row["file_name"]) | {"panels": int(row["panels"])} for row in rows]
    return {name: np.array([line[name] for line in table], dtype=float) for name in table[0]}


def test_no_single_trivial_feature_tells_the_kinds_apart(
    features: dict[str, np.ndarray], rows: list[dict[str, str]]
) -> None:
    truth = np.array([row["label"] == "manga" for row in rows]).astype(int)
    for name, values in features.items():
        area = roc_auc_score(truth, values)
        assert max(area, 1 - area) < TOO_EASY, name
        assert best_threshold(values, truth) < TOO_EASY, name


def test_nor_do_all_trivial_features_together_nor_tiny_pictures(
    folder: Path, features: dict[str, np.ndarray], rows: list[dict[str, str]]
) -> None:
    truth = np.array([row["label"] == "manga" for row in rows]).astype(int)
    test = np.array([row["split"] == "test" for row in rows])
    tiny = [np.asarray(Image.open(folder / row["file_name"]).convert("L").resize((16, 16))).ravel() for row in rows]
    for name, table in {
        "all features": np.stack(list(features.values()), axis=1),
        "16 x 16 pixels": np.stack(tiny) / 255,
    }.items():
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
        model.fit(table[~test], truth[~test])
        assert model.score(table[test], truth[test]) < 0.82, name
