"""The linear head: scikit-learn's regression, its strength by honest folds, and the same logits inside the network."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from kunstkammer.errors import DataError
from kunstkammer.models.catalogue import Task, create_model, output_layer
from kunstkammer.training.linear_head import fit_head, fold_rows, put_head


def material(n=200, d=12, classes=3, seed=0):
    """Features whose first columns tell the class, on scales from 0.01 to 100, and one that never changes."""
    random = np.random.default_rng(seed)
    targets = random.integers(0, classes, n)
    features = random.normal(size=(n, d)) * np.logspace(-2, 2, d)
    features[:, :classes] += 2 * np.eye(classes)[targets] * np.logspace(-2, 2, d)[:classes]
    features[:, -1] = 7
    return features.astype(np.float32), targets


@pytest.mark.parametrize("classes", [2, 3])
def test_it_is_the_regression_of_scikit_learn_on_standardised_features(classes):
    features, targets = material(classes=classes)
    head = fit_head(features, targets, classes, strengths=[0.1])
    scaled = StandardScaler().fit_transform(features.astype(np.float64))
    peer = LogisticRegression(C=0.1, tol=1e-8, max_iter=5000).fit(scaled, targets).predict_proba(scaled)
    logits = head.logits(features)
    ours = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert head.strength == 0.1
    assert head.scores == {}
    assert np.abs(ours - peer).max() < 5e-3


def test_the_strength_fits_the_material():
    random = np.random.default_rng(0)
    noise, targets = random.normal(size=(120, 60)).astype(np.float32), random.integers(0, 2, 120)
    clear = noise.copy()
    clear[:, 0] += 20 * targets
    assert fit_head(noise, targets, 2).strength <= 1e-4
    assert fit_head(clear, targets, 2).strength >= 1e-2


def test_folds_keep_groups_whole_and_classes_spread():
    random = np.random.default_rng(1)
    targets = np.repeat([0, 1], [150, 50])
    groups = random.integers(0, 60, 200) + 1000 * targets
    folds = list(fold_rows(targets, groups, 5, 0))
    assert sorted(np.concatenate(folds)) == list(range(200))
    assert len(folds) == 5
    for i, one in enumerate(folds):
        for two in folds[i + 1 :]:
            assert not set(groups[one]) & set(groups[two])
        assert 0.1 < targets[one].mean() < 0.45


def test_copies_on_both_sides_would_make_noise_look_learnable():
    random = np.random.default_rng(2)
    noise, labels = random.normal(size=(40, 100)).astype(np.float32), random.integers(0, 2, 40)
    features, targets = np.repeat(noise, 5, axis=0), np.repeat(labels, 5)
    leaking = fit_head(features, targets, 2)
    honest = fit_head(features, targets, 2, groups=np.repeat(np.arange(40), 5))
    assert min(leaking.scores.values()) < 0.1
    assert min(honest.scores.values()) > 0.6
    assert honest.strength <= 1e-4


def test_many_labels_one_of_them_in_every_picture_and_one_in_none():
    features, first = material(classes=3)
    targets = np.eye(3)[first].astype(np.float32)
    targets = np.concatenate([targets, np.ones((200, 1)), np.zeros((200, 1))], axis=1).astype(np.float32)
    head = fit_head(features, targets, 5)
    logits = head.logits(features)
    assert ((logits[:, :3] > 0) == (targets[:, :3] > 0.5)).mean() > 0.85
    assert (logits[:, 3] > 4).all()
    assert (logits[:, 4] < -4).all()


def test_a_class_without_pictures_is_hardly_ever_said():
    features, targets = material(classes=2)
    logits = fit_head(features, targets * 2, 4).logits(features)
    assert set(logits.argmax(axis=1)) == {0, 2}


@pytest.mark.parametrize("name", ["resnet-10", "sketchnet"])
@pytest.mark.parametrize("classes", [2, 3])
def test_the_network_gives_the_logits_of_its_head(name, classes):
    model, _ = create_model(name, Task(tuple("abc"[:classes]), size=(64, 64)))
    layer = output_layer(model)
    random = np.random.default_rng(0)
    features = random.normal(size=(90, layer.in_features)).astype(np.float32)
    head = fit_head(features, np.arange(90) % classes, classes, strengths=[0.01])
    put_head(model, head)
    with torch.inference_mode():
        found = layer(torch.from_numpy(features)).numpy().astype(np.float64)
    if found.shape[1] == 1:
        found = np.concatenate([-found, found], axis=1) / 2
    wanted = head.logits(features)
    assert np.allclose(
        found - found.mean(axis=1, keepdims=True), wanted - wanted.mean(axis=1, keepdims=True), atol=1e-4
    )


def test_what_cannot_be_fitted_says_so():
    features, targets = material()
    with pytest.raises(DataError, match="only one class"):
        fit_head(features, np.zeros(200, dtype=int), 2)
    features[3, 2] = np.nan
    with pytest.raises(DataError, match="features of 1 pictures are not numbers"):
        fit_head(features, targets, 3)
