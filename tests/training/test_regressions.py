"""Many regressions at once are the regressions of scikit-learn one by one."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from kunstkammer.errors import DataError
from kunstkammer.training import linear_head
from kunstkammer.training.linear_head import fit_head
from kunstkammer.training.losses import balanced_weights, effective_weights
from kunstkammer.training.regressions import Regressions


def material(n=300, d=20, labels=6, seed=0):
    random = np.random.default_rng(seed)
    features = random.normal(size=(n, d)) @ random.normal(size=(d, d)) / 4
    scores = features @ random.normal(size=(d, labels)) + random.normal(size=(n, labels))
    targets = (scores > np.quantile(scores, np.linspace(0.3, 0.97, labels), axis=0).diagonal()).astype(np.float32)
    return (features - features.mean(axis=0)) / features.std(axis=0), targets


def alone(features, targets, strength, weights=None):
    """scikit-learn, one label after the other; positives weigh `weights`, of a mean of 1 over the pictures."""
    found = []
    for k, own in enumerate(targets.T):
        pictures = np.ones(len(own)) if weights is None else np.where(own > 0, float(weights[k]), 1.0)
        peer = LogisticRegression(C=strength, tol=1e-10, max_iter=20_000)
        found.append(peer.fit(features, own, sample_weight=pictures / pictures.mean()).decision_function(features))
    return np.stack(found, axis=1)


def probabilities(logits):
    return 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize("weighting", [None, balanced_weights, effective_weights])
def test_they_are_those_of_scikit_learn_along_the_whole_path(weighting):
    features, targets = material()
    weights = None if weighting is None else weighting(targets, targets.shape[1])
    together = Regressions(features, targets, None if weights is None else weights.numpy())
    for strength in (1e-4, 1e-2, 1.0, 10.0):
        weight, bias = together.solve(strength)
        wanted = alone(features, targets, strength, weights)
        assert np.abs(probabilities(features @ weight.T + bias) - probabilities(wanted)).max() < 5e-3


def test_balanced_is_what_scikit_learn_calls_balanced():
    features, targets = material()
    weight, bias = Regressions(features, targets, balanced_weights(targets, 6).numpy()).solve(0.1)
    for k, own in enumerate(targets.T):
        peer = LogisticRegression(C=0.1, tol=1e-10, max_iter=20_000, class_weight="balanced").fit(features, own)
        ours = probabilities(features @ weight[k] + bias[k])
        assert np.abs(ours - peer.predict_proba(features)[:, 1]).max() < 5e-3


def test_labels_that_can_be_told_apart_without_error_do_not_run_away():
    features, _ = material()
    targets = np.stack([features[:, 0] > 0, features[:, 1] > 1.5, features[:, 0] > -9], axis=1).astype(np.float32)
    weight, bias = Regressions(features, targets).solve(1e6)
    assert np.isfinite(weight).all()
    logits = features @ weight.T + bias
    assert ((logits > 0) == (targets > 0)).all()


def test_a_label_that_a_fold_lacks_has_its_prior_there_and_the_others_are_untouched():
    features, targets = material()
    bare = np.concatenate([targets, np.zeros((300, 1)), np.ones((300, 1))], axis=1)
    weight, bias = Regressions(features, bare).solve(0.1)
    assert not weight[6:].any()
    assert bias[6:].tolist() == pytest.approx([np.log(0.5 / 300.5), np.log(300.5 / 0.5)])
    plain, own = Regressions(features, targets).solve(0.1)
    assert np.allclose(weight[:6], plain, atol=1e-6)
    assert np.allclose(bias[:6], own, atol=1e-6)
    rare = targets.copy()
    rare[:, 0] = 0
    rare[7, 0] = 1  # in one fold only: the others never see it
    assert np.isfinite(list(fit_head(features.astype(np.float32), rare, 6).scores.values())).all()


def test_no_label_is_fitted_alone(monkeypatch):
    from sklearn import linear_model

    monkeypatch.setattr(linear_model, "LogisticRegression", None)
    features, targets = material()
    head = fit_head(features.astype(np.float32), targets, 6, class_weights="class-balanced")
    assert head.folds == 5
    assert ((head.logits(features) > 0) == (targets > 0)).mean() > 0.75


@pytest.mark.parametrize("broken", [{1e-5}, set(linear_head.STRENGTHS)])
def test_a_strength_whose_loss_is_no_number_is_never_chosen(broken, monkeypatch):
    real = linear_head._cross_validate

    def some(*args):
        return {c: float("nan") if c in broken else score for c, score in real(*args).items()}

    monkeypatch.setattr(linear_head, "_cross_validate", some)
    features, targets = material()
    if len(broken) > 1:
        with pytest.raises(DataError, match="not finite for any"):
            fit_head(features.astype(np.float32), targets, 6)
    else:
        assert fit_head(features.astype(np.float32), targets, 6).strength > 1e-5


def test_threads_change_nothing(monkeypatch):
    import torch

    features, targets = material(labels=70)
    one, several = Regressions(features, targets), Regressions(features, targets)
    for strength in (0.01, 1.0):
        answers = []
        for weight, bias in (one.solve(strength), several.solve(strength, threads=3)):
            answers.append(probabilities(features @ weight.T + bias))
        assert np.abs(answers[0] - answers[1]).max() < 5e-3
    before = torch.get_num_threads()
    heads = []
    for threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        heads.append(fit_head(features.astype(np.float32), targets, 70))
    monkeypatch.undo()
    torch.set_num_threads(before)
    assert heads[0].strength == heads[1].strength
    answers = [probabilities(head.logits(features)) for head in heads]
    assert np.abs(answers[0] - answers[1]).max() < 5e-3
