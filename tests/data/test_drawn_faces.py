"""Drawn faces: pairs in two domains, persons of one part only, truth that holds, no trivial give-away."""

from __future__ import annotations

import csv
import hashlib
import json
import random
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import kunstkammer
from kunstkammer import registry
from kunstkammer.data.drawn import album
from kunstkammer.data.drawn.album import Order
from kunstkammer.data.drawn.faces import action_units, collection, contours
from kunstkammer.data.drawn.faces.action_units import ACTION_UNITS, CALM, EMOTIONS, PROTOTYPES, Expression
from kunstkammer.data.drawn.faces.artists import STYLES, make_artist
from kunstkammer.data.drawn.faces.camera import make_camera
from kunstkammer.data.drawn.faces.drawing import ENLARGED, draw_face, make_sheet_scan
from kunstkammer.data.drawn.faces.landmarks import LANDMARKS, SKELETON, make_shape
from kunstkammer.data.drawn.faces.person import View, make_person, make_view
from kunstkammer.data.drawn.faces.photograph import photograph
from kunstkammer.data.drawn.faces.relief import Pose, Relief, rotation
from kunstkammer.errors import DataError

FACES = 160
SIDE = 96
DOMAINS = ("photographs", "drawings")
FRONT = View(0, 0, 0, 0.5, 0.48, 0.25, (0.0, 0.0))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One pair of collections for all tests of this file."""
    return collection.draw_faces(
        tmp_path_factory.mktemp("drawn") / "faces", FACES, seed=5, size=SIDE, show_progress=False
    )


@pytest.fixture(scope="session")
def rows(folder: Path) -> dict[str, list[dict[str, str]]]:
    """The table of each domain."""
    found = {}
    for domain in DOMAINS:
        with open(folder / domain / "metadata.csv", newline="", encoding="utf-8") as file:
            found[domain] = list(csv.DictReader(file))
    return found


def digest(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file()
    }


def only(**levels: float) -> Expression:
    """An expression of single units: only(au12=1)."""
    units = {int(name[2:]): value for name, value in levels.items()}
    return Expression(units, units)


def person(seed: int = 0, **changes: object):
    """A person without anything that hides features."""
    plain = {"glasses": "none", "beard": "none", "hair": "short", "age": 0.1, "freckles": 0.0, "skin": (232, 190, 162)}
    return replace(make_person("somebody", random.Random(seed)), **{**plain, **changes})


# What lies on the disk


def test_is_registered_as_a_kind_of_drawing() -> None:
    assert registry.get("drawings", "faces") is collection.draw_faces


def test_both_domains_are_whole_collections_of_the_same_file_names(folder: Path, rows) -> None:
    assert {p.name for p in folder.iterdir()} == {*DOMAINS, "README.md"}
    names = {}
    for domain in DOMAINS:
        assert {p.name for p in (folder / domain).iterdir()} == {
            "train", "validation", "test", "metadata.csv", "objects.coco.json", "README.md",
        }  # fmt: skip
        names[domain] = {p.relative_to(folder / domain).as_posix() for p in (folder / domain).rglob("*.jpg")}
        assert names[domain] == {row["file_name"] for row in rows[domain]}
        assert "seed 5" in (folder / domain / "README.md").read_text(encoding="utf-8")
        assert "CC0" in (folder / domain / "README.md").read_text(encoding="utf-8")
    assert names["photographs"] == names["drawings"]
    assert len(names["drawings"]) == FACES


def test_the_package_reads_them_as_split_and_labelled_collections(folder: Path) -> None:
    for domain in DOMAINS:
        read = kunstkammer.read(folder / domain)
        assert len(read) == FACES
        assert read.label_names == EMOTIONS
        assert Counter(read.splits) == {"train": 112, "validation": 16, "test": 32}
        assert read.open(0).size == (SIDE, SIDE)


def test_a_pair_shows_the_same_truth_but_its_pictures_differ(folder: Path, rows) -> None:
    shared = [key for key in rows["photographs"][0] if not key.startswith("camera_") and key != "style"]
    assert {"person", "au_12", "au_12_left", "yaw", "person_hair"} <= set(shared)
    for one, two in zip(rows["photographs"], rows["drawings"], strict=True):
        assert [one[key] for key in shared] == [two[key] for key in shared]
        assert one["style"] == "photograph"
        assert two["style"] in STYLES
    pictures = [value for name, value in digest(folder).items() if name.endswith(".jpg")]
    assert len(set(pictures)) == 2 * FACES
    assert {row["style"] for row in rows["drawings"]} == set(STYLES)


def test_no_person_is_in_two_parts_and_each_shows_every_emotion(rows) -> None:
    parts, shown = defaultdict(set), defaultdict(Counter)
    for row in rows["photographs"]:
        parts[row["person"]].add(row["split"])
        shown[row["person"]][row["label"]] += 1
    assert all(len(where) == 1 for where in parts.values())
    assert all(counter == dict.fromkeys(EMOTIONS, 1) for counter in shown.values())
    looks = {row["person"]: row["person_skin"] + row["person_eye_gap"] for row in rows["photographs"]}
    assert len(set(looks.values())) == len(looks)


def test_same_seed_gives_the_same_bytes_whatever_the_number_of_workers(tmp_path: Path) -> None:
    n = album.SERIAL_BELOW + 2
    one = collection.draw_faces(tmp_path / "one", n, seed=3, size=SIDE, workers=1, show_progress=False)
    two = collection.draw_faces(tmp_path / "two", n, seed=3, size=SIDE, workers=2, show_progress=False)
    assert digest(one) == digest(two)
    other = collection.draw_pair(Order("train/fear/0001.jpg", "fear", "train", 1, 4), SIDE)
    assert other["drawings"].data != (one / "drawings/train/fear/0001.jpg").read_bytes()


@pytest.mark.parametrize("n", [-1, 0, 23])
def test_too_few_faces_are_refused(tmp_path: Path, n: int) -> None:
    with pytest.raises(DataError, match="24 or more"):
        collection.draw_faces(tmp_path / "few", n)
    assert not any(tmp_path.iterdir())


def test_impossible_sizes_and_full_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="from 96 to 512"):
        collection.draw_faces(tmp_path / "tiny", 24, size=20)
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(DataError, match="already holds files"):
        collection.draw_faces(tmp_path, 24)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise DataError("no ink")

    monkeypatch.setattr(collection, "_drawing", fail)
    with pytest.raises(DataError, match="no ink"):
        collection.draw_faces(tmp_path / "out", 24, size=SIDE)
    assert not any(tmp_path.iterdir())


def test_the_verb_names_both_collections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kunstkammer.workflows.draw import draw

    monkeypatch.setattr(collection, "SIZE", SIDE)
    result = draw("faces", out=tmp_path / "faces", n=24)
    assert [Path(path).name for path in result.to_json()["collections"]] == ["drawings", "photographs"]
    assert "24 pictures (faces) each" in result.to_text()
    comics = draw("comics", out=tmp_path / "comics", n=6)
    assert comics.to_json()["collections"] == [str(tmp_path / "comics")]


# The truth about expressions


def test_every_emotion_of_the_task_has_a_prototype_of_known_units() -> None:
    assert EMOTIONS == (
        "anger", "contempt", "disgust", "fear", "happiness", "neutrality", "sadness", "surprise",
    )  # fmt: skip
    for prototype in PROTOTYPES.values():
        assert {*prototype.always, *prototype.often} <= set(ACTION_UNITS)
        assert all(0 < share <= 1 for share in prototype.often.values())
    signatures = {emotion: prototype.always for emotion, prototype in PROTOTYPES.items()}
    assert len(set(signatures.values())) == len(EMOTIONS)
    assert signatures["happiness"] == (6, 12)
    assert set(signatures["surprise"]) == {1, 2, 5, 26}


def test_expressions_follow_the_table(rows) -> None:
    for row in rows["photographs"]:
        prototype = PROTOTYPES[row["label"]]
        for unit in ACTION_UNITS:
            strongest = max(float(row[f"au_{unit}_left"]), float(row[f"au_{unit}_right"]))
            if unit in prototype.always:
                assert strongest + 1e-3 >= action_units.WEAKEST
            elif unit not in prototype.often:
                assert strongest <= action_units.STRAY
            assert strongest <= 1
    sides = {
        label: np.mean(
            [abs(float(r["au_12_left"]) - float(r["au_12_right"])) for r in rows["photographs"] if r["label"] == label]
        )
        for label in ("contempt", "happiness")
    }
    assert sides["contempt"] > 4 * sides["happiness"]


def test_optional_units_come_about_as_often_as_they_should() -> None:
    lots = [action_units.make_expression("sadness", random.Random(i)) for i in range(600)]
    share = np.mean([lot[17] >= action_units.WEAKEST * 0.85 for lot in lots])
    assert abs(share - PROTOTYPES["sadness"].often[17]) < 0.07


def test_true_units_tell_the_emotion_but_for_the_ambiguous(rows) -> None:
    """The ceiling: who reads the units without error is nearly always right."""
    table = rows["photographs"]
    x = np.array([[float(row[f"au_{u}_{s}"]) for u in ACTION_UNITS for s in ("left", "right")] for row in table])
    x = np.concatenate([x, np.abs(x[:, ::2] - x[:, 1::2])], axis=1)
    y = np.array([row["label"] for row in table])
    test = np.array([row["split"] == "test" for row in table])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=3000)).fit(x[~test], y[~test])
    assert model.score(x[test], y[test]) > 0.85


# The truth about landmarks


def test_landmarks_are_coco_keypoints_within_their_pictures(folder: Path, rows) -> None:
    for domain in DOMAINS:
        coco = json.loads((folder / domain / "objects.coco.json").read_text(encoding="utf-8"))
        (category,) = coco["categories"]
        assert category["name"] == "face"
        assert tuple(category["keypoints"]) == LANDMARKS
        assert [tuple(edge) for edge in category["skeleton"]] == [(a + 1, b + 1) for a, b in SKELETON]
        assert [image["file_name"] for image in coco["images"]] == [row["file_name"] for row in rows[domain]]
        for thing in coco["annotations"]:
            points = np.array(thing["keypoints"], float).reshape(-1, 3)
            assert points.shape == (70, 3)
            assert thing["num_keypoints"] == 70
            assert points[:, :2].min() > 0
            assert points[:, :2].max() < SIDE
            assert set(points[:, 2]) <= {1, 2}
            x, y, width, height = thing["bbox"]
            inside = points[17:68, :2]
            assert (inside > [x - 3, y - 3]).all()
            assert (inside < [x + width + 3, y + height + 3]).all()


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize(
    ("unit", "points", "axis", "way"),
    [
        (1, "brow inner", 1, -1), (2, "brow outer", 1, -1), (4, "brow inner", 1, 1), (5, "upper lid", 1, -1),
        (6, "lower lid", 1, -1), (7, "lower lid", 1, -1), (9, "wing", 1, -1), (10, "upper lip", 1, -1),
        (12, "corner", 1, -1), (12, "corner", 0, 1), (14, "corner", 0, 1), (15, "corner", 1, 1),
        (16, "lower lip", 1, 1), (17, "lower lip", 1, -1), (20, "corner", 0, 1), (23, "corner", 0, -1),
        (24, "corner", 0, -1), (25, "lower lip", 1, 1), (26, "chin", 1, 1),
    ],
)  # fmt: skip
def test_each_unit_moves_its_landmarks_the_way_of_its_muscle(
    unit: int, points: str, axis: int, way: int, side: int
) -> None:
    """`way`: 1 is down, or outwards, -1 up, or inwards."""
    where = {
        "brow inner": 21 if side < 0 else 22, "brow outer": 17 if side < 0 else 26, "upper lid": 37 if side < 0 else 44,
        "lower lid": 41 if side < 0 else 46, "wing": 31 if side < 0 else 35, "upper lip": 61 if side < 0 else 63,
        "corner": 48 if side < 0 else 54, "lower lip": 67 if side < 0 else 65, "chin": 8,
    }[points]  # fmt: skip
    before = make_shape(person(), CALM).points[where]
    after = make_shape(person(), only(**{f"au{unit}": 1.0})).points[where]
    moved = (after - before)[axis] * (side if axis == 0 else 1)
    assert moved * way > 0.008


def test_a_one_sided_expression_moves_one_side() -> None:
    calm = make_shape(person(), CALM).points
    smirk = make_shape(person(), Expression({12: 1.0}, {})).points
    assert np.linalg.norm(smirk[54] - calm[54]) > 0.1
    assert np.linalg.norm(smirk[48] - calm[48]) < 0.03


def test_a_pose_turns_as_it_says() -> None:
    turn = rotation(replace(FRONT, yaw=20.0, roll=10.0, pitch=-5.0))
    assert np.allclose(turn @ turn.T, np.eye(3))
    assert (rotation(replace(FRONT, yaw=20.0)) @ [0, 0, 1])[0] > 0.3  # the nose to the picture's right
    assert (rotation(replace(FRONT, pitch=10.0)) @ [0, 0, 1])[1] > 0.1  # the nose down
    assert (rotation(replace(FRONT, roll=10.0)) @ [0, -1, 0])[0] > 0.1  # the crown to the right: clockwise


def test_the_far_side_of_a_turned_jaw_is_hidden() -> None:
    seen = Pose(Relief(make_shape(person(), CALM)), replace(FRONT, yaw=24.0), 192).visible
    assert seen[0] or not seen[16]
    assert not seen[14:17].all()
    assert seen[36:68].all()


@pytest.mark.parametrize("yaw", [-18.0, 0.0, 18.0])
def test_pixels_of_a_photograph_find_their_way_back_to_the_face(yaw: float) -> None:
    """`Pose.where` is the inverse of `Pose.project` at landmarks."""
    pose = Pose(Relief(make_shape(person(), CALM)), replace(FRONT, yaw=yaw, roll=4.0), 192)
    fx, fy = pose.where(0, 0, 192, 192)
    for i in (19, 24, 38, 44, 48, 51, 54, 57):
        x, y = pose.landmarks[i]
        found = np.array([fx[int(y), int(x)], fy[int(y), int(x)]])
        assert np.linalg.norm(found - pose.relief.shape.points[i]) < 0.06, LANDMARKS[i]


def picture(domain: str, expression: Expression, style: str = "ink") -> tuple[np.ndarray, Pose]:
    """The same person from the front with one expression or another, everything else equal."""
    rng = random.Random(1)
    if domain == "photographs":
        pose = Pose(Relief(make_shape(person(), expression)), FRONT, 192)
        camera = replace(make_camera(rng), noise=0.0, blur=0.1)
        image = photograph(pose, person(), camera, rng)
        return np.asarray(image.convert("L"), float), pose
    usual = STYLES[style]
    artist = replace(make_artist(rng), style=usual, caricature=usual.caricature, pen=usual.pen)
    pose = Pose(Relief(make_shape(person(), expression, caricature=usual.caricature)), FRONT, round(192 * ENLARGED))
    scan = replace(make_sheet_scan(rng), grain=0.0)
    return np.asarray(draw_face(pose, person(), artist, scan, rng, 192).convert("L"), float), pose


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize(
    ("unit", "near", "far"), [(12, [48, 54], 27), (2, [18, 25], 57), (26, [57, 66], 21), (5, [37, 44], 57)]
)
def test_a_unit_changes_the_picture_where_its_landmarks_are(domain: str, unit: int, near: list[int], far: int) -> None:
    before, pose = picture(domain, CALM)
    after, _ = picture(domain, only(**{f"au{unit}": 1.0}))
    before, after = before - before.mean(), after - after.mean()
    points = pose.landmarks * 192 / pose.side

    def change(i: int) -> float:
        x, y = points[i]
        patch = np.s_[int(y) - 6 : int(y) + 7, int(x) - 6 : int(x) + 7]
        return float(np.abs(before[patch] - after[patch]).mean())

    assert min(change(i) for i in near) > 6
    assert min(change(i) for i in near) > 1.5 * change(far)


@pytest.mark.parametrize("style", sorted(STYLES))
def test_pupils_and_the_mouth_are_drawn_where_the_landmarks_say(style: str) -> None:
    grey, pose = picture("drawings", only(au26=1.0, au25=1.0), style)
    points = pose.landmarks * 192 / pose.side
    brow = np.median(
        grey[int(points[27, 1]) - 14 : int(points[27, 1]) - 8, int(points[27, 0]) - 2 : int(points[27, 0]) + 3]
    )
    for x, y in (points[68], points[69]):
        assert grey[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2].min() < brow - 40
    x, y = (points[62] + points[66]) / 2
    assert grey[int(y) - 2 : int(y) + 6, int(x) - 2 : int(x) + 3].min() < brow - 40


def test_wrinkles_come_with_their_units_and_with_age() -> None:
    def depth(name: str, expression: Expression, age: float = 0.0) -> float:
        folds = contours.wrinkles(make_shape(person(age=age), expression), person(age=age))
        return max((fold.depth for fold in folds if fold.name == name), default=0.0)

    for unit, name in (
        (2, "forehead"),
        (4, "frown"),
        (6, "crow's foot"),
        (9, "nose root"),
        (12, "nasolabial"),
        (14, "dimple"),
        (17, "chin"),
    ):
        assert depth(name, only(**{f"au{unit}": 1.0})) > depth(name, CALM) + 0.4, name
    assert depth("nasolabial", CALM, age=1.0) > depth("nasolabial", CALM) + 0.3


def test_any_view_and_person_can_be_drawn() -> None:
    for i in range(12):
        order = Order(f"train/fear/{i:04d}.jpg", "fear", "train", i, i)
        assert set(collection.draw_pair(order, SIDE)) == set(DOMAINS)
        view = make_view(random.Random(i))
        assert abs(view.yaw) <= 24


# Nothing else tells the emotion


def trivial_features(path: Path) -> dict[str, float]:
    """What a lazy model could look at."""
    colour = np.asarray(Image.open(path).convert("RGB"), dtype=np.float32)
    grey = colour.mean(axis=2)
    middle = grey[SIDE // 4 : -SIDE // 4, SIDE // 4 : -SIDE // 4]
    return {
        "mean grey": grey.mean(),
        **dict(zip(("red", "green", "blue"), colour.mean(axis=(0, 1)) - grey.mean(), strict=True)),
        "saturation": (colour.max(axis=2) - colour.min(axis=2)).mean(),
        "white share": (grey > 225).mean(),
        "black share": (grey < 50).mean(),
        "standard deviation": grey.std(),
        "edge density": np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean(),
        "middle mean": middle.mean(),
        "middle edges": np.abs(np.diff(middle, axis=0)).mean(),
        "file size": path.stat().st_size,
    }


@pytest.mark.parametrize("domain", DOMAINS)
def test_no_trivial_feature_tells_the_emotions_apart(folder: Path, rows, domain: str) -> None:
    table = [trivial_features(folder / domain / row["file_name"]) for row in rows[domain]]
    labels = np.array([row["label"] for row in rows[domain]])
    for name in table[0]:
        values = np.array([line[name] for line in table])
        for emotion in EMOTIONS:
            area = roc_auc_score(labels == emotion, values)
            assert 0.27 < area < 0.73, (name, emotion)
    values = np.array([list(line.values()) for line in table])
    test = np.array([row["split"] == "test" for row in rows[domain]])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000)).fit(values[~test], labels[~test])
    assert model.score(values[test], labels[test]) < 0.32


def test_the_domains_differ_strongly_in_such_features(folder: Path, rows) -> None:
    table = {
        domain: [trivial_features(folder / domain / row["file_name"]) for row in rows[domain]] for domain in DOMAINS
    }
    for name in ("mean grey", "edge density"):
        one, two = (np.array([line[name] for line in table[domain]]) for domain in DOMAINS)
        area = roc_auc_score([0] * FACES + [1] * FACES, np.concatenate([one, two]))
        assert area > 0.75, name
