"""The contest's layout on the command line: labels in a CSV, text in a JSON list, pictures in a folder beside them."""

import csv
import json

import pytest

from tests.cli.command import run
from tests.scenes import EMOTIONS, write_scenes

SET = [
    "picture.size=32", "augmentation=[]", "model={name: sketchnet, options: {stages: [[4], [8]], dense: 8}}",
    "text.options.size=256", "training.epochs=1", "evaluation.resamples=100", "evaluation.pictures=1",
]  # fmt: skip


@pytest.fixture
def contest(tmp_path):
    """`labels.csv` without text and `transcriptions.json` with it."""
    table = write_scenes(tmp_path, n=60)
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    told = [{"img_id": r["image_id"], "narration": r["narration"], "dialog": r["dialog"].split()} for r in rows]
    (tmp_path / "transcriptions.json").write_text(json.dumps(told), encoding="utf-8")
    lines = [f",image_id,{','.join(EMOTIONS)}"]
    lines += [",".join([r[""], r["image_id"], *(f"{r[e]}.0" for e in EMOTIONS)]) for r in rows]
    (tmp_path / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


def test_train_evaluate_and_predict_with_a_text_file(contest):
    words = [word for setting in SET for word in ("--set", setting)]
    labels, told, out = str(contest / "labels.csv"), str(contest / "transcriptions.json"), str(contest / "run")
    without = run("train", labels, "--recipe", "comic-emotion", "--out", out, *words)
    assert without.status == 1
    assert "no column of text" in without.stderr
    assert not (contest / "run").exists()
    done = run("train", labels, "--text-file", told, "--recipe", "comic-emotion", "--out", out, *words, "--json")
    assert done.status == 0, done.stderr
    assert done.json()["branches"]["with_text"] == done.json()["n"] == 12
    assert done.json()["zero_r"]["roc_auc"] == 0.5
    again = run("evaluate", out, labels, "--text-file", told, "--json").json()
    assert again["metrics"]["roc_auc"]["value"] == pytest.approx(done.json()["metrics"]["roc_auc"]["value"], abs=1e-6)
    alone = run("evaluate", out, labels, "--out", str(contest / "alone"), "--json")
    assert "branches" not in alone.json()
    assert "answers from the pictures alone" in alone.stderr
    answers = contest / "answers.csv"
    assert run("predict", out, told, "--out", str(answers)).status == 0
    head, *rows = csv.reader(answers.read_text(encoding="utf-8").splitlines())
    assert head[3:] == sorted(EMOTIONS)
    assert len(rows) == 60


def test_misspelt_label_columns_and_text_features_are_guessed(contest):
    labels = str(contest / "labels.csv")
    wrong = run(
        "train", labels, "--label-column", "angry,feer", "--recipe", "comic-emotion", "--out", str(contest / "x")
    )
    assert (wrong.status, "Did you mean 'fear'" in wrong.stderr) == (1, True)
    wrong = run("train", labels, "--recipe", "comic-emotion", "--out", str(contest / "x"), "--set", "text.name=hashd")
    assert (wrong.status, "Did you mean 'hashed'" in wrong.stderr) == (1, True)
    assert {entry["name"] for entry in run("list", "texts", "--json").json()["texts"]} == {"hashed", "tfidf", "hub"}
