"""The command `explain_quality`: what it writes, what it refuses, what it leaves out and says."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kunstkammer as kk
from kunstkammer.errors import DataError, ModelError, UnknownNameError
from kunstkammer.explanation.quality.walk import Walk
from tests.cli.command import run
from tests.conftest import write_collection

TINY = {
    "picture.size": 32, "training.epochs": 2, "evaluation.resamples": 100, "evaluation.pictures": 0,
    "model.options": {"stages": [[4], [8]], "dense": 8},
}  # fmt: skip
FEW = "gradient,gradient-x-input,deconvnet,guided-backprop,grad-cam,lrp-epsilon,pattern-net,pattern-attribution"
FILES = {
    "report.html", "quality.json", "curves.csv", "methods.csv", "degradation.png", "degradation-least.png",
    "comparison.png", "randomisation.png",
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("quality")
    data = write_collection(place / "noise", each=40, size=32)
    kk.train(data, recipe="anime-cartoon", out=place / "run", settings=TINY)
    return data, place / "run"


@pytest.fixture(scope="module")
def found(trained):
    data, folder = trained
    return kk.explain_quality(folder, data, method=FEW, pictures=5, patch=8, signals=60)


def test_everything_is_written_and_nothing_half(found, trained):
    assert found.out == trained[1] / "quality"
    assert {file.name for file in found.out.iterdir()} == FILES | {file.name for file in found.out.glob("signal*")}
    kept = json.loads((found.out / "quality.json").read_text(encoding="utf-8"))
    assert kept["part"] == "test"
    assert kept["pictures"] == 5
    assert {row["name"] for row in kept["methods"]} == set(FEW.split(","))
    assert len(kept["claims"]) == 6
    with open(found.out / "curves.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["order"] for row in rows} == {"most", "least"}
    assert {int(row["patches"]) for row in rows} == set(range(17))
    area = np.mean([float(r["probability"]) for r in rows if (r["order"], r["method"]) == ("most", "gradient")])
    assert area == pytest.approx(found.method("gradient").area.value, abs=1e-5)


def test_the_page_is_one_file_in_two_languages(found):
    page = found.report.read_text(encoding="utf-8")
    assert "Which explanation can be trusted?" in page
    assert "Welcher Erklärung kann man trauen?" in page
    assert page.count("data:image/") >= 4
    assert "http://" not in page
    assert "https://" not in page
    text = found.to_text()
    assert "pattern-net against gradient" in text
    assert "none of which is measured" in text
    assert all(name in page and name in text for name in FEW.split(","))


def test_the_measured_are_of_the_test_part_and_patterns_of_the_training_part(found, trained, monkeypatch):
    _, folder = trained
    with open(folder / "split.csv", encoding="utf-8") as file:
        train = sum(row["part"] == "train" for row in csv.DictReader(file))
    assert any(f"fitted on {train} pictures" in fact for fact in found.facts)


def test_the_same_seed_gives_the_same_and_a_stopped_walk_goes_on(trained, found, tmp_path, monkeypatch):
    data, folder = trained
    asked = {"method": "gradient,lrp-epsilon", "pictures": 6, "patch": 8, "signals": 0, "out": tmp_path / "out"}
    whole = kk.explain_quality(folder, data, **{**asked, "out": tmp_path / "whole"})
    monkeypatch.setattr("kunstkammer.explanation.quality.walk.PART", 2)
    real = Walk._part
    done: list[int] = []

    def stop(self, rows, advance):
        done.append(int(rows[0]))
        if len(done) == 3:
            raise KeyboardInterrupt
        return real(self, rows, advance)

    monkeypatch.setattr(Walk, "_part", stop)
    with pytest.raises(KeyboardInterrupt):
        kk.explain_quality(folder, data, **asked)
    assert not (tmp_path / "out" / "report.html").exists()
    again = kk.explain_quality(folder, data, **asked)
    assert done == [0, 2, 4, 4]
    assert not (tmp_path / "out" / "unfinished").exists()
    for one, other in zip(whole.methods, again.methods, strict=True):
        assert one.area.value == pytest.approx(other.area.value, abs=1e-6)
    assert whole.signal_note.startswith("It was not asked for")


def test_a_checkpoint_without_parts_or_labels(trained, tmp_path):
    _, folder = trained
    plain = tmp_path / "plain"
    plain.mkdir()
    for name in ("config.json", "model.safetensors", "preprocessor_config.json"):
        shutil.copy(folder / name, plain / name)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    random = np.random.default_rng(0)
    for i in range(4):
        Image.fromarray(random.integers(0, 255, (40, 60, 3), dtype=np.uint8)).save(pictures / f"{i}.png")
    (pictures / "broken.png").write_bytes(b"no picture")
    shutil.copy(pictures / "0.png", pictures / "copy.png")
    found = kk.explain_quality(plain, pictures, method="gradient,occlusion,pattern-net", patch=8)
    assert found.part == "all"
    assert found.pictures == 4  # of copies one
    assert "at least 16 are needed" in found.left_out["pattern-net"]
    assert "too few for three separate parts" in found.signal_note
    assert "has no test part" in found.notes[0]
    page = found.report.read_text(encoding="utf-8")
    assert "at least 16 are needed" in page
    assert "too few for three separate parts" in page
    budget = found.method("occlusion").note
    assert "windows that do not overlap" in budget
    assert budget in page


def test_boxes_count_where_the_collection_has_them(trained, tmp_path):
    _, folder = trained
    data = tmp_path / "boxed"
    data.mkdir()
    random = np.random.default_rng(1)
    rows = []
    for i in range(5):
        Image.fromarray(random.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(data / f"{i}.png")
        cell = {"bbox": [[0, 0, 32, 64]], "categories": [0]} if i else {"bbox": [], "categories": []}
        rows.append(json.dumps({"file_name": f"{i}.png", "label": "dark", "objects": cell}))
    (data / "metadata.jsonl").write_text("\n".join(rows) + "\n")
    found = kk.explain_quality(folder, data, method="gradient", patch=8, signals=0, out=tmp_path / "out")
    assert found.boxes == (4, pytest.approx(0.5))
    assert found.method("gradient").energy.n == 4
    assert 0.2 < found.method("gradient").energy.value < 0.8
    assert "Boxes: 4 pictures; they cover 50 %" in found.to_text()


def test_boxes_of_a_coco_file_count_for_the_predicted_label(trained, tmp_path):
    _, folder = trained
    data = write_collection(tmp_path / "coco", each=3)
    files = sorted(data.rglob("*.png"))
    half = {"dark": [0, 0, 24, 48], "light": [24, 0, 24, 48]}  # of pictures of 48 x 48
    boxes = [{"image_id": i, "category_id": k, "bbox": half[name]} for i in range(6) for k, name in enumerate(half)]
    coco = {
        "images": [{"id": i, "file_name": str(file.relative_to(data))} for i, file in enumerate(files)],
        "annotations": [{"id": i, **box} for i, box in enumerate(boxes)],
        "categories": [{"id": k, "name": name} for k, name in enumerate(half)],
    }
    (data / "things.json").write_text(json.dumps(coco))
    found = kk.explain_quality(
        folder, data / "things.json", method="gradient", patch=8, signals=0, out=tmp_path / "out"
    )
    assert found.boxes == (6, pytest.approx(0.5))  # one box each, that of the predicted label


def test_what_is_refused_says_what_and_how_to_mend_it(trained, tmp_path):
    data, folder = trained
    with pytest.raises(UnknownNameError, match="Did you mean 'grad-cam'"):
        kk.explain_quality(folder, data, method="grad-can")
    with pytest.raises(ModelError, match=r"pictures of 32 x 32 pixels, smaller than a patch of 33"):
        kk.explain_quality(folder, data, patch=33)
    few = write_collection(tmp_path / "few", each=1)
    with pytest.raises(DataError, match="few has 2 pictures to measure on"):
        kk.explain_quality(folder, few, method="gradient", patch=8)
    with pytest.raises(ModelError, match="None of the methods can be had; .* no attention"):
        kk.explain_quality(folder, data, method="attention-rollout", patch=8, pictures=3, out=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_patterns_of_another_checkpoint_are_refused(trained, tmp_path):
    data, folder = trained
    own = Path(shutil.copytree(folder, tmp_path / "run"))
    kk.fit_patterns(own, data, pictures=20)
    found = kk.explain_quality(own, data, method="pattern-net", patch=8, pictures=3, signals=0)
    assert "fitted on 20 pictures" in found.facts[0]
    other = tmp_path / "other"
    kk.train(data, recipe="anime-cartoon", out=other, settings={**TINY, "seed": 5})
    shutil.copy(own / "patterns.safetensors", other / "patterns.safetensors")
    with pytest.raises(ModelError, match="belong to another checkpoint"):
        kk.explain_quality(other, data, method="pattern-net", patch=8)


def test_the_command_answers_in_json(trained, tmp_path):
    data, folder = trained
    words = ["--method", "gradient,attention-rollout", "--pictures", "3", "--patch", "8", "--signals", "0"]
    done = run("explain-quality", str(folder), str(data), *words, "--out", str(tmp_path / "out"), "--json")
    answer = done.json()
    assert [row["name"] for row in answer["methods"]] == ["gradient"]
    assert "no attention" in answer["left_out"]["attention-rollout"]
    assert "Left out: attention-rollout" in done.stderr
    assert run("explain-quality", str(folder), str(data), "--fill", "blurr").status == 1
