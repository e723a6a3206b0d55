"""Scenes from end to end: picture and text together are better than either alone, and every verb takes them."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import kunstkammer
from kunstkammer.errors import DataError, ModelError, RecipeError
from kunstkammer.training import trainer
from tests.cli.command import run
from tests.scenes import EMOTIONS, write_scenes

SMALL = {
    "picture.size": 48,
    "augmentation": [{"name": "horizontal-flip"}],
    "model": {"name": "sketchnet", "options": {"stages": [[16, 16], [32]], "dense": 64}, "dropout": 0.2},
    "text.options": {"size": 1024},
    "training.optimizer.learning_rate": 0.003,
    "evaluation.resamples": 200,
    "evaluation.pictures": 2,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A scene model and the table that it learnt from: 420 panels to learn from, 119 for the test."""
    folder = tmp_path_factory.mktemp("scenes")
    table = write_scenes(folder / "data", n=600)
    settings = {**SMALL, "training.epochs": 20}
    return table, kunstkammer.train(table, "comic-emotion", out=folder / "run", settings=settings)


def test_both_together_are_better_than_picture_or_text_alone(trained):
    _, measured = trained
    assert measured.n == measured.branches.n == 119
    both, picture, text = measured.branches.rows
    assert [row.name for row in measured.branches.rows] == ["both", "picture", "text"]
    assert both.metrics["roc_auc"].value == measured.metrics["roc_auc"].value
    for alone in (picture, text):
        assert alone.metrics["roc_auc"].low > 0.55, "each branch knows something"
        assert alone.leads["roc_auc"].low > 0, f"both is not ahead of {alone.name} beyond chance"
    assert measured.branches.together_is_better
    assert measured.zero_r["roc_auc"] == 0.5


def test_the_report_shows_each_emotion_with_its_interval_and_the_branches(trained):
    _, measured = trained
    rows = {row.label: row.roc_auc for row in measured.evaluation.classes}
    assert set(rows) == set(EMOTIONS)
    assert measured.metrics["roc_auc"].value == pytest.approx(np.mean([interval.value for interval in rows.values()]))
    assert all(interval.low < interval.value < interval.high for interval in rows.values())
    page = measured.report.read_text(encoding="utf-8")
    assert "Picture, text, both" in page
    assert "Bild, Text, beides" in page
    kept = json.loads((measured.report.parent / "metrics.json").read_text(encoding="utf-8"))
    assert kept["branches"]["picture"]["metrics"].keys() == {"roc_auc", "mean_average_precision"}
    assert kept["classes"]["fear"]["roc_auc"]["value"] == rows["fear"].value


def test_the_run_is_an_ordinary_checkpoint_with_its_text_part(trained):
    _, measured = trained
    folder = measured.report.parent
    assert {"config.json", "model.safetensors", "text.json", "text.safetensors"} <= {f.name for f in folder.iterdir()}
    text = json.loads((folder / "text.json").read_text(encoding="utf-8"))
    assert (text["name"], text["columns"]) == ("tfidf", ["narration", "dialog"])
    from transformers import AutoModelForImageClassification

    assert AutoModelForImageClassification.from_pretrained(folder).config.num_labels == len(EMOTIONS)
    assert "import kunstkammer" in (folder / "README.md").read_text(encoding="utf-8")


def test_a_table_is_predicted_with_its_text_and_bare_pictures_without(trained, capsys):
    table, measured = trained
    told = kunstkammer.predict(measured.report.parent, table).predictions
    assert len(told) == 600
    assert "alone" not in capsys.readouterr().err
    bare = kunstkammer.predict(measured.report.parent, table.parent / "panels").predictions
    assert "answers from the pictures alone" in capsys.readouterr().err
    assert not np.allclose(told.probabilities, bare.probabilities)
    at = {file: i for i, file in enumerate(told.files)}
    own = measured.predictions
    np.testing.assert_allclose(told.probabilities[[at[f] for f in own.files]], own.probabilities, atol=1e-5)


def test_a_table_without_labels_or_with_broken_ones_is_predicted_too(trained, tmp_path):
    table, measured = trained
    shutil.copytree(table.parent / "panels", tmp_path / "panels")
    lines = [{"img_id": "0001", "narration": "Hilfe", "dialog": ["Hilfe!", "Gespenst"]}, {"img_id": "0002"}]
    (tmp_path / "told.json").write_text(json.dumps(lines))
    found = kunstkammer.predict(measured.report.parent, tmp_path / "told.json").predictions
    assert found.files == ["panels/0001.png", "panels/0002.png"]
    (tmp_path / "t.csv").write_text("image_id,angry,fear,text\n0001,x,?,Hilfe Hilfe! Gespenst\n0002,,,\n")
    again = kunstkammer.predict(measured.report.parent, tmp_path / "t.csv").predictions
    np.testing.assert_allclose(again.probabilities[1], found.probabilities[1], atol=1e-6)


def test_evaluate_and_explain_take_the_text(trained, tmp_path):
    table, measured = trained
    again = run("evaluate", str(measured.report.parent), str(table), "--out", str(tmp_path / "again"), "--json")
    assert again.status == 0
    assert again.json()["branches"]["both"]["metrics"]["roc_auc"]["value"] == pytest.approx(
        measured.metrics["roc_auc"].value, abs=1e-6
    )
    few = tmp_path / "few.csv"
    rows = table.read_text(encoding="utf-8").splitlines()[:3]
    few.write_text("\n".join(rows).replace("image_id", "file").replace(",000", f",{table.parent}/panels/000"))
    with_text = kunstkammer.explain(measured.report.parent, few, out=tmp_path / "told", target="fear")
    bare = kunstkammer.explain(
        measured.report.parent, table.parent / "panels" / "0000.png", out=tmp_path, target="fear"
    )
    one, other = (np.load(result.maps[0]["array"]) for result in (with_text, bare))
    assert one.shape == other.shape
    assert not np.allclose(one, other)


def test_a_finished_scene_model_can_be_learnt_on_from_by_pictures_alone(trained, tmp_path):
    table, measured = trained
    settings = {**SMALL, "training.epochs": 1, "text": None, "model": {"name": str(measured.report.parent)}}
    settings.pop("text.options")
    again = kunstkammer.train(table, "comic-emotion", out=tmp_path / "run", settings=settings)
    assert again.branches is None
    assert again.metrics["roc_auc"].value > 0.7, "it begins where the picture branch ended"
    with pytest.raises(ModelError, match="scene model already"):
        kunstkammer.train(
            table,
            "comic-emotion",
            out=tmp_path / "x",
            settings={"model.name": str(measured.report.parent), "picture.size": 48},
        )


def weights(folder):
    return load_file(folder / "model.safetensors")


def test_a_stopped_run_goes_on_exactly_and_refuses_other_texts(tmp_path, monkeypatch):
    table = write_scenes(tmp_path / "data", n=60)
    settings = {**SMALL, "training.epochs": 4, "training.checkpoint_seconds": 0.001, "training.batch_size": 8}
    kunstkammer.train(table, "comic-emotion", out=tmp_path / "whole", settings=settings)
    calls = []
    evaluate = trainer.LearningTrainer.evaluate

    def stop(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return evaluate(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(trainer.LearningTrainer, "evaluate", stop)
        with pytest.raises(KeyboardInterrupt):
            kunstkammer.train(table, "comic-emotion", out=tmp_path / "run", settings=settings)
    kept = table.read_text(encoding="utf-8")
    table.write_text(kept.replace("Haus", "Hof"), encoding="utf-8")
    with pytest.raises(DataError, match="texts of the collection have changed"):
        kunstkammer.train(table, out=tmp_path / "run", resume=True)
    table.write_text(kept, encoding="utf-8")
    kunstkammer.train(table, out=tmp_path / "run", resume=True)
    one, two = weights(tmp_path / "whole"), weights(tmp_path / "run")
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("text", [{"name": "hashed", "options": {"size": 256}}, None])
def test_hashed_text_alone_heads_or_no_text_at_all(text, tmp_path):
    table = write_scenes(tmp_path / "data", n=60)
    settings = {**SMALL, "training.epochs": 1, "model.train": "head", "text": text}
    settings.pop("text.options")
    measured = kunstkammer.train(table, "comic-emotion", out=tmp_path / "run", settings=settings)
    assert (measured.branches is not None) == (text is not None)
    assert (tmp_path / "run" / "text.json").exists() == (text is not None)


def test_a_text_encoder_is_copied_into_the_run_which_stays_whole_without_it(tiny_encoder, tmp_path):
    shutil.copytree(tiny_encoder, tmp_path / "encoder")
    table = write_scenes(tmp_path / "data", n=60)
    text = {"name": "hub", "options": {"model": str(tmp_path / "encoder"), "max_length": 32}}
    settings = {**SMALL, "training.epochs": 1, "text": text}
    settings.pop("text.options")
    kunstkammer.train(table, "comic-emotion", out=tmp_path / "run", settings=settings)
    before = kunstkammer.predict(tmp_path / "run", table).predictions
    shutil.rmtree(tmp_path / "encoder")
    moved = (tmp_path / "run").rename(tmp_path / "moved")
    after = kunstkammer.predict(moved, table).predictions
    assert np.array_equal(before.probabilities, after.probabilities)
    bare = kunstkammer.predict(moved, table.parent / "panels").predictions
    assert not np.allclose(bare.probabilities, after.probabilities)


def test_what_cannot_be_is_said_before_anything_is_computed(tmp_path):
    table = write_scenes(tmp_path / "data", n=20)
    with pytest.raises(DataError, match=r"no column 'dialogg' to take text from\. Did you mean 'dialog'"):
        kunstkammer.train(table, "comic-emotion", out=tmp_path / "run", settings={"data.text_column": "dialogg"})
    with pytest.raises(RecipeError, match=r"model\.train frozen knows pictures alone"):
        kunstkammer.train(table, "comic-emotion", out=tmp_path / "run", settings={"model.train": "frozen"})
    with pytest.raises(RecipeError, match=r"unknown key 'text\.hiden'"):
        kunstkammer.train(table, "comic-emotion", out=tmp_path / "run", settings={"text.hiden": 3})
    assert not (tmp_path / "run").exists()


def test_a_label_that_no_test_picture_carries_is_named_and_left_out(tmp_path):
    table = write_scenes(tmp_path / "data", n=80)
    rows = [line.split(",") for line in table.read_text(encoding="utf-8").splitlines()]
    rows[0].insert(6, "disgust")
    for row in rows[1:]:
        row.insert(6, "0")
    table.write_text("\n".join(",".join(row) for row in rows), encoding="utf-8")
    settings = {**SMALL, "training.epochs": 1}
    measured = kunstkammer.train(table, "comic-emotion", out=tmp_path / "run", settings=settings)
    by_label = {row.label: row.roc_auc for row in measured.evaluation.classes}
    assert by_label["disgust"] is None
    others = [interval.value for label, interval in by_label.items() if label != "disgust"]
    assert measured.metrics["roc_auc"].value == pytest.approx(np.mean(others))
    assert any("disgust" in note.text for note in measured.evaluation.notes)


@pytest.mark.real
@pytest.mark.slow
def test_on_real_pages_it_names_that_only_comics_have_text(shared, tmp_path):
    settings = {**SMALL, "training.epochs": 2, "training.loss": "cross-entropy", "text.name": "hashed"}
    measured = kunstkammer.train(
        shared / "data" / "comic_manga", "comic-emotion", out=tmp_path / "run", settings=settings
    )
    assert 0 < measured.branches.told < measured.branches.n
    assert any("labelled “comic” have some" in note.text for note in measured.branches.notes)
    assert "may be no more than that" in measured.report.read_text(encoding="utf-8")
