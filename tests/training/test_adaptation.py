"""Adaptation without labels: statistics of the new domain, features that look like it, and an error that falls."""

import numpy as np
import pytest
import torch
from torch import nn

from kunstkammer.data.plates import make_plates
from kunstkammer.data.readers import read
from kunstkammer.errors import DataError, RecipeError
from kunstkammer.models.catalogue import Task, create_model
from kunstkammer.training.adaptation import adapt_batch_norm, coral, coral_head
from kunstkammer.training.linear_head import fit_head

OPTIONS = {"hidden_sizes": [8, 8, 16, 16], "embedding_size": 8}


@pytest.fixture
def plates(collection_folder):
    _, geometry = create_model("resnet-10", Task(("a", "b"), size=(32, 32)), options=OPTIONS)
    return make_plates(read(collection_folder), geometry.plate, show_progress=False)


def test_the_statistics_become_those_of_the_pictures(plates):
    torch.manual_seed(0)
    model, geometry = create_model("resnet-10", Task(("a", "b"), size=(32, 32)), options=OPTIONS)
    weights = {name: p.clone() for name, p in model.named_parameters()}
    count = adapt_batch_norm(model, geometry, plates, np.arange(24), batch_size=64)
    layers = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert count == len(layers)
    seen = []
    handle = layers[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        model(pixel_values=geometry.prepare(plates[:]))
    handle.remove()
    torch.testing.assert_close(layers[0].running_mean, seen[0].mean(dim=(0, 2, 3)), atol=1e-4, rtol=1e-3)
    assert all(layer.momentum == 0.1 and not layer.training for layer in layers)
    assert all(torch.equal(p, weights[name]) for name, p in model.named_parameters())


def test_the_order_of_the_rows_does_not_matter_and_batches_are_alike(plates):
    found = []
    for batch in (6, 24):
        torch.manual_seed(0)
        model, geometry = create_model("resnet-10", Task(("a", "b"), size=(32, 32)), options=OPTIONS)
        adapt_batch_norm(model, geometry, plates, np.arange(24), batch_size=batch)
        found.append(next(m for m in model.modules() if isinstance(m, nn.BatchNorm2d)).running_mean)
    torch.testing.assert_close(*found, atol=1e-3, rtol=1e-2)


def test_what_cannot_be_adapted_says_so(plates):
    plain, geometry = create_model(
        "sketchnet", Task(("a", "b"), size=(32, 32)), options={"stages": [[4]], "batch_norm": []}
    )
    with pytest.raises(RecipeError, match="no batch normalisation"):
        adapt_batch_norm(plain, geometry, plates, np.arange(24))
    model, geometry = create_model("resnet-10", Task(("a", "b"), size=(32, 32)), options=OPTIONS)
    with pytest.raises(DataError, match="5 pictures of the second domain are too few"):
        adapt_batch_norm(model, geometry, plates, np.arange(5))


def test_coral_gives_the_covariance_of_the_target():
    random = np.random.default_rng(0)
    source = random.normal(size=(2000, 4)) @ random.normal(size=(4, 4))
    target = random.normal(size=(2000, 4)) @ random.normal(size=(4, 4)) + 3
    moved = coral(source, target, ridge=1e-6)
    assert np.allclose(np.cov(moved, rowvar=False), np.cov(target, rowvar=False), atol=1e-2)
    assert np.allclose(moved.mean(axis=0), target.mean(axis=0))


def test_a_head_on_aligned_features_errs_less_on_the_second_domain():
    random = np.random.default_rng(1)
    classes = random.integers(0, 2, 800)
    features = random.normal(size=(800, 6))
    features[:, 0] += 3 * classes
    other_classes = random.integers(0, 2, 800)
    other = random.normal(size=(800, 6))
    other[:, 0] += 3 * other_classes
    shift = np.eye(6) + 0.8 * np.roll(np.eye(6), 1, axis=1)  # the new domain mixes its channels
    other = other @ shift * 2 + 4
    plain = fit_head(features.astype(np.float32), classes, 2).logits(other).argmax(1)
    adapted = coral_head(features, classes, other, 2).logits(other).argmax(1)
    assert (plain == other_classes).mean() < 0.6
    assert (adapted == other_classes).mean() > 0.8
    with pytest.raises(DataError, match="too few to adapt"):
        coral_head(features, classes, other[:4], 2)
