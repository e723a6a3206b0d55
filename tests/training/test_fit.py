"""Training: it learns, it is reproducible, it keeps the best epoch, it stops, and it writes an ordinary checkpoint."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoModelForImageClassification, pipeline

from kunstkammer.data.plates import PlateSettings, make_plate
from kunstkammer.errors import KunstkammerError
from kunstkammer.models.run import open_run
from kunstkammer.training.best_epoch import Progress

from .lesson import learn


def weights(run):
    return load_file(run / "model.safetensors")


def test_it_learns_and_writes_a_checkpoint_that_transformers_opens(collection_folder, tmp_path):
    done = learn(collection_folder, tmp_path / "run", training__epochs=12)
    assert len(done.history) == 12
    assert done.history[-1]["validation_accuracy"] == 1.0
    assert done.history[-1]["train_loss"] < done.history[0]["train_loss"]
    model = AutoModelForImageClassification.from_pretrained(tmp_path / "run")
    assert model.config.id2label == {0: "dark", 1: "light"}
    checkpoint = open_run(tmp_path / "run")
    assert checkpoint.plate_settings.shape == (3, 32, 32)  # it learned from grey, and weighs the colours itself
    assert not [f for f in (tmp_path / "run").rglob("*") if f.suffix in {".bin", ".pt", ".pth", ".pkl"}]


@pytest.mark.parametrize("channels", ["grey", "colour"])
def test_a_run_trained_with_pad_answers_the_same_when_reopened_and_by_transformers_alone(
    channels, collection_folder, tmp_path
):
    learn(collection_folder, tmp_path / "run", training__epochs=1, picture__fit="pad", picture__channels=channels)
    run = open_run(tmp_path / "run")
    assert run.plate_settings == PlateSettings(32, 32, False, "pad")
    file = tmp_path / "wide.png"
    image = Image.open(next((collection_folder / "dark").iterdir())).resize((90, 40))
    image.save(file)
    plate = torch.from_numpy(make_plate(file, run.plate_settings, "wide").copy())[None]
    ours = run.logits(plate).softmax(1)[0]
    theirs = {
        row["label"]: row["score"] for row in pipeline("image-classification", model=str(tmp_path / "run"))(str(file))
    }
    for label, probability in zip(run.label_names, ours, strict=True):
        assert theirs[label] == pytest.approx(float(probability), abs=2e-3)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(collection_folder, tmp_path):
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        learn(collection_folder, tmp_path / name, seed=seed, training__epochs=2)
    one, two, other = (weights(tmp_path / name) for name in ("one", "two", "other"))
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert not all(torch.equal(one[k], other[k]) for k in one)


def test_the_best_epoch_is_kept_not_the_last(collection_folder, tmp_path):
    done = learn(collection_folder, tmp_path / "best", training__epochs=8, training__optimizer__learning_rate=0.05)
    losses = [record["validation_loss"] for record in done.history]
    assert done.best_epoch == 1 + int(np.argmin(losses))


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [("loss", [0.5, 0.3, 0.4], 2), ("accuracy", [0.5, 0.9, 0.9], 2), ("macro_f1", [0.9, 0.5, 0.4], 1)],
)
def test_which_epoch_is_best(metric, values, best):
    history = [
        {"epoch": i + 1, "validation_loss": 1.0, f"validation_{metric}": value} for i, value in enumerate(values)
    ]
    assert Progress(metric, "best", None, history).best()["epoch"] == best
    assert Progress(metric, "last", None, history).best()["epoch"] == 3


def test_early_stopping_waits_for_its_patience():
    history = [{"epoch": e, "validation_loss": loss} for e, loss in enumerate([0.5, 0.4, 0.6, 0.7], start=1)]
    assert not Progress("loss", "best", 3, history).should_stop()
    assert Progress("loss", "best", 2, history).should_stop()


def test_early_stopping_ends_the_training(collection_folder, tmp_path):
    done = learn(
        collection_folder,
        tmp_path / "run",
        training__epochs=30,
        training__optimizer__learning_rate=1e-9,
        training__metric="accuracy",
        training__early_stopping={"patience": 2},
    )
    assert done.stopped_early
    assert len(done.history) < 30


@pytest.mark.parametrize("sampling", ["shuffled", "balanced", "square-root"])
@pytest.mark.parametrize("loss", ["cross-entropy", "bce", "focal"])
def test_every_loss_and_sampling_learns(collection_folder, tmp_path, loss, sampling):
    done = learn(
        collection_folder, tmp_path / "run", training__loss=loss, training__sampling=sampling,
        training__class_weights="balanced", training__epochs=3,
    )  # fmt: skip
    assert np.isfinite(done.history[-1]["train_loss"])


def test_a_loss_that_is_no_longer_a_number_is_named(collection_folder, tmp_path):
    with pytest.raises(KunstkammerError, match="lower training.optimizer.learning_rate"):
        learn(collection_folder, tmp_path / "run", training__optimizer={"name": "sgd", "learning_rate": 1e18})


def test_only_the_head_learns_where_the_recipe_says_so(collection_folder, tmp_path):
    learn(collection_folder, tmp_path / "first", training__epochs=1)
    learn(
        collection_folder, tmp_path / "second", training__epochs=2, model__name=str(tmp_path / "first"),
        model__train="head", model__options={},
    )  # fmt: skip
    first, second = weights(tmp_path / "first"), weights(tmp_path / "second")
    frozen = [name for name in first if name.startswith("features.")]
    assert any(".running_mean" in name for name in frozen)
    torch.testing.assert_close([first[name] for name in frozen], [second[name] for name in frozen])
    assert not torch.equal(first["classifier.1.weight"], second["classifier.1.weight"])


def test_history_is_a_json_line_an_epoch(collection_folder, tmp_path):
    done = learn(collection_folder, tmp_path / "run", training__epochs=2)
    lines = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    assert lines == done.history
    assert {"epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy"} <= lines[0].keys()


def test_tensorboard_is_written_on_request(collection_folder, tmp_path):
    pytest.importorskip("tensorboard")
    learn(collection_folder, tmp_path / "run", training__epochs=1, training__tracker="tensorboard")
    assert list((tmp_path / "run" / "tensorboard").glob("events.*"))
