"""The command train: duplicates never cross a split, splits are honoured, and a killed run goes on with --resume."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

import kunstkammer
from kunstkammer.data.readers import read
from kunstkammer.errors import DataError, KunstkammerError, RecipeError
from kunstkammer.evaluation.part import choose_part
from kunstkammer.training.state import newest_state
from tests.cli.command import run
from tests.conftest import write_collection

RECIPE = {
    "name": "tiny",
    "picture": {"size": 32, "channels": "grey"},
    "model": {"name": "sketchnet", "options": {"stages": [[4], [8]], "dense": 8}},
    "training": {"epochs": 2, "batch_size": 4, "optimizer": {"learning_rate": 0.01}},
    "evaluation": {"resamples": 100, "pictures": 2},
}


def parts(folder) -> dict[str, str]:
    with open(folder / "split.csv", encoding="utf-8", newline="") as file:
        return {row["file"]: row["part"] for row in csv.DictReader(file)}


def test_copies_are_kept_on_one_side_of_the_split(tmp_path):
    data = write_collection(tmp_path / "noise", each=15)
    for i in range(0, 15, 2):
        shutil.copy(data / "dark" / f"{i:03}.png", data / "dark" / f"{i:03}-copy.png")
    kunstkammer.train(data, RECIPE, out=tmp_path / "run")
    found = parts(tmp_path / "run")
    for i in range(0, 15, 2):
        assert found[f"dark/{i:03}.png"] == found[f"dark/{i:03}-copy.png"]


def test_given_splits_are_honoured_and_a_leak_is_taken_out_of_training(tmp_path):
    for part, each, seed in (("Training", 12, 1), ("Validation", 5, 2), ("Testing", 6, 3)):
        write_collection(tmp_path / "pages" / part, each=each, seed=seed)
    shutil.copy(tmp_path / "pages/Testing/dark/000.png", tmp_path / "pages/Training/dark/leak.png")
    measured = kunstkammer.train(tmp_path / "pages", RECIPE, out=tmp_path / "run")
    assert measured.n == 12
    found = parts(tmp_path / "run")
    assert found["Training/dark/leak.png"] == ""
    assert found["Testing/dark/000.png"] == "test"
    assert sum(part == "train" for part in found.values()) == 24
    assert "copies of pictures in test" in (tmp_path / "run" / "README.md").read_text(encoding="utf-8")


PREPARED = {**RECIPE, "picture": {**RECIPE["picture"], "preparation": [{"name": "cartoonify", "preset": "manga"}]}}


def test_a_preparation_holds_for_what_is_learned_from_and_not_for_the_test(tmp_path, monkeypatch):
    from kunstkammer.pictures import preparation

    data = write_collection(tmp_path / "noise", each=15)
    drawn = []
    real = preparation.cartoonify

    def counted(pixels, preset, **options):
        drawn.append((len(pixels), preset))
        return real(pixels, preset, **options)

    monkeypatch.setattr(preparation, "cartoonify", counted)
    kunstkammer.train(data, PREPARED, out=tmp_path / "run")
    found = parts(tmp_path / "run")
    learned = [file for file, part in found.items() if part in ("train", "validation")]
    assert drawn == [(1, "manga")] * len(learned)
    assert kunstkammer.open_run(tmp_path / "run").plate_settings.preparation == ""
    kunstkammer.train(data, RECIPE, out=tmp_path / "plain")
    assert len(drawn) == len(learned)
    one, two = load_file(tmp_path / "run" / "model.safetensors"), load_file(tmp_path / "plain" / "model.safetensors")
    assert any(not torch.equal(one[name], two[name]) for name in one)
    said = "cartoonify (manga, strength 1)"
    for file in ("README.md", "report.html"):
        assert said in (tmp_path / "run" / file).read_text(encoding="utf-8")
        assert said not in (tmp_path / "plain" / file).read_text(encoding="utf-8")


def test_a_prepared_run_goes_on_exactly(tmp_path, monkeypatch):
    from kunstkammer.training import trainer

    data = write_collection(tmp_path / "noise", each=15)
    settings = {"training.epochs": 4, "training.checkpoint_seconds": 0.001}
    kunstkammer.train(data, PREPARED, out=tmp_path / "whole", settings=settings)
    real = trainer.LearningTrainer.training_step
    steps = []

    def stopped(self, *args, **options):
        steps.append(1)
        if len(steps) == 15:
            raise KeyboardInterrupt
        return real(self, *args, **options)

    monkeypatch.setattr(trainer.LearningTrainer, "training_step", stopped)
    with pytest.raises(KeyboardInterrupt):
        kunstkammer.train(data, PREPARED, out=tmp_path / "cut", settings=settings)
    monkeypatch.undo()
    assert newest_state(tmp_path / "cut") is not None
    monkeypatch.setenv("KUNSTKAMMER_CACHE", str(tmp_path / "cache"))
    kunstkammer.train(data, out=tmp_path / "cut", resume=True)
    one, two = load_file(tmp_path / "whole" / "model.safetensors"), load_file(tmp_path / "cut" / "model.safetensors")
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_misspelt_preparation_is_guessed_before_anything_is_read(tmp_path):
    wrong = {**RECIPE, "picture": {"preparation": [{"name": "cartonify"}]}}
    with pytest.raises(KunstkammerError, match="Did you mean 'cartoonify'"):
        kunstkammer.train(tmp_path / "nowhere", wrong, out=tmp_path / "run")


def test_groups_never_cross_into_the_test_part(tmp_path):
    data = write_collection(tmp_path / "noise", each=20)
    rows = ["file_name,label,title"]
    rows += [f"{label}/{i:03}.png,{label},{label}-{i // 4}" for label in ("dark", "light") for i in range(20)]
    (data / "metadata.csv").write_text("\n".join(rows))
    kunstkammer.train(data, RECIPE, out=tmp_path / "run", settings={"data.groups": ["title"]})
    found = parts(tmp_path / "run")
    for label in ("dark", "light"):
        for title in range(5):
            own = {found[f"{label}/{i:03}.png"] == "test" for i in range(4 * title, 4 * title + 4)}
            assert len(own) == 1


def test_several_labels_a_picture(tmp_path):
    data = write_collection(tmp_path / "noise", each=30)
    rows = ["file_name,labels"]
    rows += [
        f"{label}/{i:03}.png,{label}{'|even' if i % 2 == 0 else ''}" for label in ("dark", "light") for i in range(30)
    ]
    (data / "metadata.csv").write_text("\n".join(rows))
    measured = kunstkammer.train(data, RECIPE, out=tmp_path / "run", settings={"training.loss": "bce"})
    assert {"subset_accuracy", "samples_f1", "mean_average_precision"} <= measured.metrics.keys()
    predicted = kunstkammer.predict(tmp_path / "run", data / "dark" / "000.png")
    assert len(predicted.predictions.label_names) == 3


@pytest.mark.slow
def test_a_killed_run_goes_on_with_resume_and_ends_the_same(tmp_path):
    data = write_collection(tmp_path / "noise")
    words = [
        str(data), "--recipe", "anime-cartoon", "--set", "picture.size=32", "--set", "training.epochs=40", "--set",
        "model.options={stages: [[4], [8]], dense: 8}", "--set", "evaluation.resamples=100",
    ]  # fmt: skip
    assert run("train", *words, "--out", str(tmp_path / "whole")).status == 0
    killed = tmp_path / "killed"
    command = [sys.executable, "-m", "kunstkammer", "train", *words, "--out", str(killed)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while newest_state(killed) is None and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the training was over before it could be killed"
    assert run("train", *words, "--out", str(killed)).status == 1
    assert "not finished" in run("predict", str(killed), str(data)).stderr
    before = json.loads((killed / "run.json").read_text(encoding="utf-8"))["data"]
    assert run("train", *words, "--out", str(killed), "--resume").status == 0
    assert json.loads((killed / "run.json").read_text(encoding="utf-8"))["data"] == before
    one, two = load_file(tmp_path / "whole" / "model.safetensors"), load_file(killed / "model.safetensors")
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not (killed / "state").exists()
    with pytest.raises(KunstkammerError, match="finished"):
        kunstkammer.train(data, out=killed, resume=True)


def test_a_resume_refuses_another_recipe_or_another_collection(tmp_path, monkeypatch):
    data = write_collection(tmp_path / "noise")
    from kunstkammer.training import trainer

    def stop(self, *_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trainer.LearningTrainer, "evaluate", stop)
        with pytest.raises(KeyboardInterrupt):
            kunstkammer.train(data, RECIPE, out=tmp_path / "run")
    with pytest.raises(RecipeError, match=r"another training\.epochs"):
        kunstkammer.train(data, RECIPE, out=tmp_path / "run", settings={"training.epochs": 9}, resume=True)
    (data / "dark" / "000.png").write_bytes((data / "dark" / "001.png").read_bytes())
    with pytest.raises(DataError, match="has changed"):
        kunstkammer.train(data, out=tmp_path / "run", resume=True)


def test_a_failure_before_the_first_state_leaves_nothing_behind(tmp_path):
    data = write_collection(tmp_path / "noise")
    settings = {"training.optimizer": {"name": "sgd", "learning_rate": 1e18}}
    with pytest.raises(KunstkammerError, match="learning_rate"):
        kunstkammer.train(data, RECIPE, out=tmp_path / "run", settings=settings)
    assert not (tmp_path / "run").exists()


def test_a_second_collection_lends_its_style(collection_folder, tmp_path):
    other = write_collection(tmp_path / "other", labels=("x",), each=5, seed=9)
    changes = {**STYLE_SETTINGS, "training.style_mixing": {"probability": 1.0}}
    found = kunstkammer.train(collection_folder, recipe="demo", out=tmp_path / "run", settings=changes, style=other)
    facts = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert (facts["style"]["name"], facts["style"]["pictures"]) == ("other", 5)
    assert found.n
    # What lent its style was seen: it never measures the model unnoticed.
    run = kunstkammer.open_run(tmp_path / "run")
    assert choose_part(run, read(other), "all").seen == 5
    with pytest.raises(DataError, match="saw 5 of the 5 pictures"):
        choose_part(run, read(other))
    with pytest.raises(KunstkammerError, match=r"add --set learning.style_mixing.probability"):
        kunstkammer.train(collection_folder, recipe="demo", out=tmp_path / "no", settings=STYLE_SETTINGS, style=other)


STYLE_SETTINGS = {
    "picture.size": 32,
    "data.groups": [],
    "model.options": {"stages": [[4], [8]], "dense": 8},
    "training.epochs": 1,
    "evaluation.resamples": 100,
    "evaluation.pictures": 0,
    "evaluation.explainer": None,
}


def titled(tmp_path, title):
    """Noise in given splits; `title(part, i)` is the title of a picture."""
    data = write_collection(tmp_path / "noise", each=24)
    rows = ["file_name,label,split,title"]
    for label in ("dark", "light"):
        for i in range(24):
            part = ("train", "train", "validation", "test")[i % 4]
            rows.append(f"{label}/{i:03}.png,{label},{part},{title(part, i)}")
    (data / "metadata.csv").write_text("\n".join(rows))
    return data


def test_groups_that_given_splits_cut_are_named_in_red(tmp_path, capfd):
    data = titled(tmp_path, lambda part, i: f"title {i // 4}")
    measured = kunstkammer.train(data, RECIPE, out=tmp_path / "run", settings={"data.groups": ["title"]})
    said = "cut 6 of the 6 groups (title) of the test part"
    assert said in capfd.readouterr().err
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert said in page
    assert 'class="warnings bad"' in page
    assert said in (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    facts = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["data"]["groups_across_parts"]
    assert (facts["groups"], facts["of"], facts["pictures"], facts["validation_groups"]) == (6, 6, 12, 6)
    found = parts(tmp_path / "run")
    assert [found[f"dark/{i:03}.png"] for i in range(4)] == ["train", "train", "validation", "test"]
    alone = kunstkammer.train(data, RECIPE, out=tmp_path / "alone")
    assert measured.metrics["log_loss"].value == alone.metrics["log_loss"].value
    assert measured.metrics["log_loss"] != alone.metrics["log_loss"]


def test_groups_that_given_splits_keep_whole_are_not_named(tmp_path):
    data = titled(tmp_path, lambda part, i: f"{part} {i // 8}")
    kunstkammer.train(data, RECIPE, out=tmp_path / "run", settings={"data.groups": ["title"]})
    assert 'class="warnings bad"' not in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    facts = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert "groups_across_parts" not in facts["data"]
