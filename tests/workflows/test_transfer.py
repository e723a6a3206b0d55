"""The command transfer: each condition trained and measured, changes against the plain one, and nothing done twice."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import kunstkammer
from kunstkammer.errors import DataError, KunstkammerError, RecipeError, UnknownNameError
from kunstkammer.evaluation.experiment import Change
from kunstkammer.evaluation.transfer import Result, compare_conditions
from kunstkammer.models.run import open_run
from kunstkammer.training.conditions import Condition, parse_condition, parse_conditions
from tests.cli.command import run as command
from tests.conftest import write_collection

SETTINGS = {
    "picture.size": 32,
    "data.split": {"train": 0.6, "validation": 0.1, "test": 0.3},
    "augmentation": [],
    "model": {"name": "resnet-10", "options": {"hidden_sizes": [4, 4, 8, 8], "embedding_size": 4}},
    "training.epochs": 2,
    "training.batch_size": 8,
    "training.linear_head.strengths": [0.01],
}
CONDITIONS = ["comic", "adabn", "comic+coral", "style-mixing"]


def drawings(folder, each=40):
    """The same two classes in another look: black and white."""
    random = np.random.default_rng(5)
    for k, label in enumerate(("dark", "light")):
        (folder / label).mkdir(parents=True)
        for i in range(each):
            pixels = random.random((48, 48)) < (0.25 + 0.5 * k)
            Image.fromarray((pixels * 255).astype(np.uint8)).save(folder / label / f"{i:03}.png")
    return folder


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    folder = tmp_path_factory.mktemp("transfer")
    return write_collection(folder / "photographs", each=40), drawings(folder / "drawings"), folder


@pytest.fixture(scope="module")
def found(places):
    a, b, folder = places
    return kunstkammer.transfer(a, b, out=folder / "out", seeds=2, conditions=CONDITIONS, settings=SETTINGS)


def test_every_condition_has_a_row_and_runs_that_open(found):
    assert [row.name for row in found.rows] == ["none", *CONDITIONS]
    assert found.counts == (24, 40)
    for row in found.rows:
        assert len(row.runs) == 2
        assert 0 <= row.error_b.low <= row.error_b.value <= row.error_b.high <= 1
        assert 0.4 < row.shift <= 1
    for run in found.row("comic+coral").runs:
        assert open_run(run).facts["adapted"] == {"by": "coral", "to": "drawings", "pictures": 40}
    plain, adapted = (open_run(found.row(name).runs[0]).model for name in ("none", "adabn"))
    statistics = [net.resnet.embedder.embedder.normalization.running_mean for net in (plain, adapted)]
    assert not np.allclose(*(s.numpy() for s in statistics), atol=1e-3)


def test_the_rows_are_those_of_the_predictions_on_disk(found):
    from kunstkammer.evaluation.predictions import Predictions

    wrong = []
    for run in found.row("comic").runs:
        said = Predictions.load(f"{run}/on-b.csv")
        truth = [said.label_names.index(file.split("/")[0]) for file in said.files]
        wrong.append(np.mean(said.probabilities.argmax(axis=1) != truth))
    assert found.row("comic").error_b.value == pytest.approx(np.mean(wrong))


def test_a_second_call_computes_nothing_again(found, places, monkeypatch):
    a, b, folder = places
    from kunstkammer.models import features
    from kunstkammer.workflows import train

    monkeypatch.setattr(features, "collect_features", lambda *_, **__: pytest.fail("it looked at the pictures again"))
    monkeypatch.setattr(train, "train_collection", lambda *_, **__: pytest.fail("it trained again"))
    again = kunstkammer.transfer(
        a, b, out=folder / "out", seeds=2, conditions=CONDITIONS, settings=SETTINGS, resume=True
    )
    ours, first = again.to_json(), found.to_json()
    assert [row["error_b"] for row in ours["conditions"]] == [row["error_b"] for row in first["conditions"]]
    assert [row.shift for row in again.rows] == [row.shift for row in found.rows]


@pytest.mark.parametrize(
    ("others", "ends"), [(1, "the error on B."), (2, "the error on B (adjusted for 2 comparisons).")]
)
def test_the_sentence_speaks_of_adjusting_only_where_there_was_something_to_adjust_for(others, ends, found):
    plain, *rest = found.rows
    rows = [plain, *(replace(row, change_b=Change(-0.2, -0.3, -0.1, 0.01), p=0.01) for row in rest[:others])]
    assert replace(found, rows=rows).sentence.endswith(ends)


def test_a_run_that_was_stopped_goes_on(found, places, tmp_path):
    import shutil

    a, b, folder = places
    shutil.copytree(folder / "out", tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "runs" / "comic" / "seed-1")
    (tmp_path / "out" / "runs" / "none" / "seed-0" / "on-b.csv").unlink()
    again = kunstkammer.transfer(
        a, b, out=tmp_path / "out", seeds=2, conditions=["comic"], settings=SETTINGS, resume=True
    )
    assert again.row("comic").error_b.value == pytest.approx(found.row("comic").error_b.value)
    with pytest.raises(KunstkammerError, match="started with another recipe"):
        kunstkammer.transfer(a, b, out=tmp_path / "out", settings={**SETTINGS, "seed": 9}, resume=True)


def test_the_page_and_the_text_say_what_came_out(found):
    page = found.report.read_text(encoding="utf-8")
    assert "From photographs to drawings" in page
    assert "Von photographs zu drawings" in page
    assert page.count("data:image/webp") >= 3 * 6
    text = found.to_text()
    assert "change on B" in text
    assert "comic+coral" in text
    assert json.loads(json.dumps(found.to_json()))["b"]["n"] == 40


def test_the_command_answers_in_json(places, tmp_path):
    a, b, _ = places
    settings = [f"--set={key}={json.dumps(value)}" for key, value in SETTINGS.items()]
    where = [str(a), str(b), "--out", str(tmp_path / "out")]
    answer = command("transfer", *where, "--seeds", "1", "--conditions", "adabn", "--json", *settings)
    assert [row["name"] for row in json.loads(answer.stdout)["conditions"]] == ["none", "adabn"]


def test_what_cannot_be_compared_says_so(places, tmp_path):
    a, b, _ = places
    other = write_collection(tmp_path / "other", labels=("cat", "dog"))
    with pytest.raises(DataError, match="0 labels in common"):
        kunstkammer.transfer(a, other, out=tmp_path / "no")
    with pytest.raises(UnknownNameError, match="Did you mean 'comic'"):
        kunstkammer.transfer(a, b, out=tmp_path / "no", conditions=["comik"])
    with pytest.raises(RecipeError, match="two of a kind"):
        parse_condition("comic+manga")
    assert not (tmp_path / "no").exists()


def test_conditions_by_name():
    assert parse_condition("none") == Condition()
    assert parse_condition(" manga + style-mixing+adabn") == Condition("manga", True, "adabn")
    assert {"comic", "like", "adabn", "coral", "style-mixing"} < {c.name for c in parse_conditions(None)}


def test_a_condition_that_helps_is_told_from_one_that_does_not():
    from kunstkammer.evaluation.predictions import Predictions

    random = np.random.default_rng(0)
    targets = random.integers(0, 2, 300)

    def predictions(error):
        said = np.where(random.random(300) < error, 1 - targets, targets)
        return Predictions([str(i) for i in range(300)], ("a", "b"), np.eye(2)[said], targets)

    results = [
        Result(name, [predictions(0.1) for _ in range(3)], [predictions(error) for _ in range(3)], [], 0.9)
        for name, error in (("none", 0.4), ("good", 0.2), ("same", 0.4), ("bad", 0.65))
    ]
    rows = {row.name: row for row in compare_conditions(results)}
    assert [rows[name].verdict for name in ("none", "good", "same", "bad")] == ["", "lowers", "undecided", "raises"]
    assert rows["good"].change_b.value == pytest.approx(-0.2, abs=0.06)
    assert rows["good"].recalls["a"] == pytest.approx(0.8, abs=0.08)
