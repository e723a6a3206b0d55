"""The command evaluate: how stable a model is, one set of pictures and several."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

import kunstkammer
from tests.cli.command import run
from tests.conftest import write_collection
from tests.workflows.test_train import RECIPE


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run that learnt dark from light, and its collection."""
    place = tmp_path_factory.mktemp("trained")
    data = write_collection(place / "noise", each=20)
    settings = {"training.epochs": 12, "evaluation.stability": 5}
    return kunstkammer.train(data, RECIPE, out=place / "run", settings=settings), place / "run", data


class TestStability:
    def test_train_tries_changes_on_its_test_part(self, trained):
        measured, folder, _ = trained
        assert measured.stability.n == min(5, measured.n)
        kept = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        assert kept["stability"] == json.loads(json.dumps(measured.stability.to_json()))
        assert "h-stability" in Path(measured.report).read_text(encoding="utf-8")

    def test_evaluate_tries_as_many_pictures_as_asked(self, trained, tmp_path):
        _, folder, data = trained
        words = ("evaluate", str(folder), str(data), "--split", "all", "--out", str(tmp_path / "out"))
        found = run(*words, "--stability", "7", "--json").json()
        assert found["stability"]["n"] == 7
        assert {"change", "level", "n", "flipped", "moved", "accuracy"} <= found["stability"]["changes"][0].keys()
        assert "Stability: " in run(*words, "--stability", "7").stdout
        assert "stability" not in run(*words, "--stability", "0", "--json").json()

    def test_the_same_seed_gives_the_same(self, trained, tmp_path):
        _, folder, data = trained
        found = [kunstkammer.evaluate(folder, data, out=tmp_path / str(i), stability=6).stability for i in (0, 1)]
        assert found[0].to_json() == found[1].to_json()

    def test_several_labels_a_picture(self, tmp_path):
        data = write_collection(tmp_path / "noise", each=20)
        files = [(label, i) for label in ("dark", "light") for i in range(20)]
        rows = [f"{label}/{i:03}.png,{label}{'|even' if i % 2 else ''}" for label, i in files]
        (data / "metadata.csv").write_text("\n".join(["file_name,labels", *rows]))
        settings = {"training.loss": "bce", "evaluation.stability": 4}
        measured = kunstkammer.train(data, RECIPE, out=tmp_path / "run", settings=settings)
        assert measured.stability.multi_label
        assert measured.stability.reactions[0].label_flips is not None


def inverted(data: Path, folder: Path) -> Path:
    """The same pictures with black and white exchanged, under the same names: what the model knows is turned round."""
    for file in data.rglob("*.png"):
        target = folder / file.relative_to(data)
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(file) as image:
            ImageOps.invert(image.convert("RGB")).save(target)
    return folder


class TestSeveralSets:
    @pytest.fixture(scope="class")
    def compared(self, trained, tmp_path_factory):
        _, folder, data = trained
        place = tmp_path_factory.mktemp("sets")
        other = inverted(data, place / "negatives")
        words = ("evaluate", str(folder), str(data), str(other), "--split", "all", "--stability", "2")
        return run(*words, "--out", str(place / "out"), "--json"), run(*words, "--out", str(place / "text")), place

    def test_the_documented_keys_are_those_of_the_first_and_the_rest_stands_beside(self, compared):
        found = compared[0].json()
        assert {"run", "report", "n", "metrics", "zero_r", "sets", "gap"} <= found.keys()
        assert [one["name"] for one in found["sets"]] == ["noise", "negatives"]
        assert found["metrics"] == found["sets"][0]["metrics"]
        gap = found["gap"]
        assert gap == found["sets"][1]["gap"]
        assert gap["metrics"]["accuracy"]["gap"]["high"] < -0.5
        assert gap["pairs"] == 40
        assert gap["domain_auc"]["low"] <= gap["domain_auc"]["value"] <= gap["domain_auc"]["high"]
        assert not gap["label_shift"]["shifted"]

    def test_one_page_shows_them_side_by_side_and_each_has_its_own(self, compared):
        found, _, place = compared
        assert Path(found.json()["report"]) == place / "out" / "report.html"
        page = (place / "out" / "report.html").read_text(encoding="utf-8")
        for one in ("noise", "negatives"):
            assert f'href="{one}/report.html"' in page
            assert (place / "out" / one / "report.html").is_file()
            assert (place / "out" / one / "predictions.csv").is_file()
        kept = json.loads((place / "out" / "metrics.json").read_text(encoding="utf-8"))
        assert kept["gap"] == found.json()["gap"]

    def test_a_person_reads_a_table_and_a_sentence(self, compared):
        text = compared[1].stdout
        head, first, *_ = text.splitlines()
        assert head.split() == ["noise", "(40)", "negatives", "(40)", "gap"]
        assert first.startswith("accuracy ")
        assert re.search(r"On negatives, accuracy is [\d.]+ points lower than on noise", text)
        assert "AUC" in text

    def test_unpaired_and_a_third_set(self, trained, compared, tmp_path):
        _, folder, data = trained
        third = write_collection(tmp_path / "third", each=5, seed=7)
        found = kunstkammer.evaluate(
            folder, data, compared[2] / "negatives", third,
            out=tmp_path / "out", split="all", stability=0, explainer=None, paired=False,
        )  # fmt: skip
        assert [c.gap.pairs for c in found.contrasts] == [0, 0]
        assert found.n == 40
        assert found.gap.name_b == "negatives"
        assert len(found.to_json()["sets"]) == 3
        assert found.to_json()["sets"][2]["gap"]["b"] == "third"

    def test_sets_of_one_name_are_told_apart(self, trained, tmp_path):
        _, folder, _ = trained
        one = write_collection(tmp_path / "photographs" / "test", each=6, seed=1)
        other = write_collection(tmp_path / "drawings" / "test", each=6, seed=2)
        found = kunstkammer.evaluate(folder, one, other, out=tmp_path / "out", stability=0, explainer=None)
        assert found.names == ["photographs/test", "drawings/test"]
        assert (tmp_path / "out" / "drawings-test" / "report.html").is_file()

    def test_labels_that_the_model_or_a_set_lacks_are_named(self, trained, tmp_path):
        _, folder, data = trained
        other = write_collection(tmp_path / "other", labels=("dark", "green"), each=12, seed=3)
        found = kunstkammer.evaluate(
            folder, data, other, out=tmp_path / "out", split="all", stability=0, explainer=None
        )
        assert found.gap.only_a == ("light",)
        assert "other has labels that the model does not know: green" in found.to_text()
        assert found.sets[1].n == 12

    def test_few_pictures_have_no_domain_classifier_but_a_note(self, trained, tmp_path):
        _, folder, data = trained
        few = write_collection(tmp_path / "few", each=3, seed=3)
        found = kunstkammer.evaluate(folder, data, few, out=tmp_path / "out", split="all", stability=0, explainer=None)
        assert found.contrasts[0].auc is None
        assert found.to_json()["gap"]["domain_auc"] is None
        assert "too few pictures (6)" in found.to_text()

    def test_a_second_set_without_common_labels_is_refused_before_anything_is_written(self, trained, tmp_path):
        _, folder, data = trained
        other = write_collection(tmp_path / "other", labels=("cats", "dogs"))
        done = run("evaluate", str(folder), str(data), str(other), "--out", str(tmp_path / "out"))
        assert done.status == 1
        assert "other has cats, dogs: no label in common" in done.stderr
        assert not (tmp_path / "out").exists()

    def test_a_second_set_that_is_not_there(self, trained, tmp_path):
        _, folder, data = trained
        done = run("evaluate", str(folder), str(data), str(tmp_path / "nowhere"))
        assert done.status == 1
        assert "nowhere" in done.stderr


def test_the_published_collapse_is_made_on_purpose_and_named_in_red(tmp_path):
    """System B's baseline, in small: BCE on one-hot targets, uneven classes, SGD at too high a rate, shuffled drawings.

    The class does not show in these pictures as little as an emotion did in drawings to that model; so what it can
    learn is how frequent the classes are, and it says that of every picture.
    """
    rng = np.random.default_rng(0)
    counts = {"anger": 16, "contempt": 6, "disgust": 9, "fear": 11, "happiness": 24, "neutrality": 10, "sadness": 13,
              "surprised": 14}  # fmt: skip
    for label, count in counts.items():
        (tmp_path / "faces" / label).mkdir(parents=True)
        for i in range(count):
            image = Image.new("L", (32, 32), 255)
            pen = ImageDraw.Draw(image)
            x, y, r = (int(v) for v in rng.integers((10, 10, 6), (22, 22, 10)))
            pen.ellipse([x - r, y - r, x + r, y + r], outline=0)
            pen.line([x - 3, y + 3, x + 3, y + 3 + int(rng.integers(-2, 3))], fill=0)
            image.save(tmp_path / "faces" / label / f"{i:03}.png")
    settings = {
        "training.loss": "bce",
        "training.epochs": 8,
        "training.batch_size": 62,
        "training.optimizer": {"name": "sgd", "learning_rate": 0.3, "momentum": 0.9},
        "evaluation.stability": 6,
    }
    measured = kunstkammer.train(tmp_path / "faces", RECIPE, out=tmp_path / "run", settings=settings)
    found = measured.evaluation.collapse
    assert found.collapsed
    assert found.movement < 0.05 * found.reach
    prior = np.array(list(counts.values())) / sum(counts.values())
    said = measured.predictions.probabilities
    assert np.ptp(said, axis=0).max() < 0.1, "it says the same of every picture"
    assert np.abs(said - prior).sum(axis=1).mean() / 2 < 0.45, "and that is nearer to the prior than to any sure answer"
    assert "COLLAPSED: The model has collapsed" in measured.to_text()
    page = measured.report.read_text(encoding="utf-8")
    assert re.search(r'<p class="lead bad">.*This model has collapsed', page)
    assert 'class="verdict bad"' in page
    assert json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))["collapse"]["collapsed"]
