"""Validation: the figures of the evaluation, and an epoch whose figures are not finite is never kept."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunstkammer.errors import KunstkammerError
from kunstkammer.evaluation.evaluate import evaluate_predictions
from kunstkammer.evaluation.predictions import Predictions
from kunstkammer.metrics.decisions import to_probabilities
from kunstkammer.training.best_epoch import Progress
from kunstkammer.training.classification import Classification
from kunstkammer.training.validation import validation_metrics

from .lesson import learn

NAN = float("nan")


@given(
    seed=st.integers(0, 10_000), pictures=st.integers(2, 40), classes=st.integers(2, 5), many=st.booleans(),
    scale=st.sampled_from([0.1, 3.0, 60.0]),
)  # fmt: skip
def test_validation_has_the_figures_of_the_evaluation(seed, pictures, classes, many, scale):
    random = np.random.default_rng(seed)
    logits = (scale * random.normal(size=(pictures, classes))).astype(np.float32)
    targets = random.integers(0, classes, pictures)
    if many:
        targets = (random.random((pictures, classes)) < 0.4).astype(np.float32)
    found = validation_metrics(logits, targets)
    predictions = Predictions(
        [str(i) for i in range(pictures)],
        tuple("abcde"[:classes]),
        to_probabilities(logits, multi_label=many),
        targets,
        many,
    )
    measured = evaluate_predictions(predictions, prior=None, resamples=2).metrics
    names = {"accuracy": "subset_accuracy" if many else "accuracy", "macro_f1": "macro_f1", "roc_auc": "roc_auc"}
    if not many:
        names["balanced_accuracy"] = "balanced_accuracy"
    for name, own in names.items():
        if own in measured:
            assert found[name] == pytest.approx(measured[own].value, abs=1e-12)
        else:
            assert np.isnan(found[name])


def test_roc_auc_ranks_probabilities_and_not_the_logits_of_a_softmax():
    logits = np.array([[5.0, 4.0, 0.0], [9.0, 10.0, 0.0], [1.0, 0.0, 0.9], [0.0, 0.0, 3.0]])
    assert validation_metrics(logits, np.array([0, 1, 0, 2]))["roc_auc"] == 1.0


def test_logits_that_are_no_numbers_have_no_figures():
    found = validation_metrics(np.array([[NAN, 1.0], [0.0, 1.0]]), np.array([0, 1]))
    assert all(np.isnan(value) for value in found.values())


def history(losses, metric=None, values=()):
    return [
        {"epoch": e, "validation_loss": loss, **({f"validation_{metric}": values[e - 1]} if metric else {})}
        for e, loss in enumerate(losses, start=1)
    ]


@pytest.mark.parametrize("bad", [NAN, float("inf"), -float("inf")])
def test_an_epoch_that_is_not_finite_is_never_best(bad):
    assert Progress("loss", "best", None, history([bad, 0.5, 0.4])).best()["epoch"] == 3
    assert Progress("loss", "best", None, history([0.5, bad, 0.7])).best()["epoch"] == 1
    assert Progress("loss", "last", None, history([0.5, 0.7, bad])).best()["epoch"] == 2
    assert Progress("roc_auc", "best", None, history([1, 1, 1], "roc_auc", [bad, 0.6, 0.5])).best()["epoch"] == 2
    assert Progress("accuracy", "best", None, history([bad, 1, 1], "accuracy", [0.9, 0.6, 0.7])).best()["epoch"] == 3
    assert Progress("loss", "best", None, history([bad, bad])).best() is None


def test_early_stopping_counts_epochs_that_are_not_finite_as_no_better():
    assert Progress("loss", "best", 2, history([0.5, NAN, NAN])).should_stop()
    assert Progress("loss", "best", 2, history([NAN, NAN])).should_stop()
    assert not Progress("loss", "best", 2, history([NAN])).should_stop()
    assert not Progress("loss", "best", 2, history([NAN, 0.5, 0.6])).should_stop()


def test_early_stopping_stops_those_who_keep_the_last_epoch_too():
    assert Progress("loss", "last", 2, history([0.5, 0.6, 0.7])).should_stop()
    assert not Progress("loss", "last", 2, history([0.5, 0.6, 0.4])).should_stop()
    assert not Progress("loss", "last", 2, [{"epoch": e} for e in range(1, 5)]).should_stop()


def broken_epochs(monkeypatch, which, name="loss"):
    real, seen = Classification.validate, []

    def measured(*args, **options):
        seen.append(1)
        found = real(*args, **options)
        return {**found, name: NAN} if len(seen) in which else found

    monkeypatch.setattr(Classification, "validate", measured)


def test_a_training_names_the_epoch_and_keeps_a_later_one(collection_folder, tmp_path, monkeypatch, capfd):
    broken_epochs(monkeypatch, {1})
    done = learn(collection_folder, tmp_path / "run", training__epochs=3)
    assert done.best_epoch > 1
    assert "epoch 1: the validation loss is nan" in capfd.readouterr().err
    lines = (tmp_path / "run" / "history.jsonl").read_text().splitlines()
    assert json.loads(lines[0], parse_constant=pytest.fail)["validation_loss"] is None


def test_a_training_without_a_finite_epoch_is_an_error(collection_folder, tmp_path, monkeypatch):
    broken_epochs(monkeypatch, {1, 2, 3})
    with pytest.raises(KunstkammerError, match="not a finite number in any of the 2 epochs"):
        learn(collection_folder, tmp_path / "run", training__epochs=2)
    assert not (tmp_path / "run" / "config.json").exists()


def test_a_metric_that_is_never_defined_is_named(collection_folder, tmp_path, monkeypatch):
    broken_epochs(monkeypatch, {1, 2, 3}, "roc_auc")
    with pytest.raises(KunstkammerError, match="training.metric roc_auc is not defined"):
        learn(collection_folder, tmp_path / "run", training__epochs=2, training__metric="roc_auc")
