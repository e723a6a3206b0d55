"""Features are what the output layer sees; kept ones are found by content, and only where the backbone is the same."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from kunstkammer.data.plates import make_plates
from kunstkammer.data.readers import read
from kunstkammer.models.catalogue import Task, create_model, output_layer
from kunstkammer.models.features import FeatureStore, backbone_key, collect_features, kept_features
from kunstkammer.pictures.preparation import build_preparation

TASK = Task(("dark", "light"), size=(32, 32))


def network(name="resnet-10", seed=0, task=TASK):
    torch.manual_seed(seed)
    options = {"hidden_sizes": [8, 8, 16, 16], "embedding_size": 8} if name == "resnet-10" else {"stages": [[4]]}
    return create_model(name, task, options=options)


def other_networks():
    """Yield classifiers whose features are a class token and a mean of tokens."""
    from transformers import SwinConfig, SwinForImageClassification, ViTConfig, ViTForImageClassification

    vit = ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=16,
        **TASK.config(),
    )
    yield ViTForImageClassification(vit)
    swin = SwinConfig(
        embed_dim=8, depths=[1, 1], num_heads=[1, 1], window_size=4, image_size=32, patch_size=4, **TASK.config()
    )
    yield SwinForImageClassification(swin)


@pytest.fixture
def plates(collection_folder):
    return make_plates(read(collection_folder), network()[1].plate, show_progress=False)


def contents(count):
    return [hashlib.sha256(str(i).encode()).hexdigest() for i in range(count)]


@pytest.mark.parametrize("which", ["resnet", "vit", "swin"])
def test_the_output_layer_on_features_gives_the_logits(plates, which):
    model, geometry = network()
    if which != "resnet":
        model = dict(zip(("vit", "swin"), other_networks(), strict=True))[which]
    model.train()
    features = collect_features(model, geometry, plates, batch_size=5)
    assert model.training
    model.eval()
    layer = output_layer(model)
    assert features.shape == (24, layer.in_features)
    with torch.inference_mode():
        logits = model(pixel_values=geometry.prepare(plates[:])).logits
        assert torch.allclose(layer(torch.from_numpy(features)), logits, atol=1e-5)


def test_kept_features_are_computed_once(plates, tmp_path):
    model, geometry = network()
    model.eval()
    asked = []
    rows = np.arange(10)
    first = kept_features(model, geometry, plates, rows, contents(24), cache=tmp_path, on_new=asked.append)
    more = kept_features(model, geometry, plates, np.arange(24), contents(24), cache=tmp_path, on_new=asked.append)
    again = kept_features(model, geometry, plates, rows[::-1], contents(24), cache=tmp_path, on_new=asked.append)
    assert asked == [10, 14]
    assert (more[:10] == first).all()
    assert (again == first[::-1]).all()
    assert np.allclose(more, collect_features(model, geometry, plates), atol=1e-5)


def test_two_pictures_of_one_content_are_computed_once(plates, tmp_path):
    model, geometry = network()
    model.eval()
    names = contents(24)
    names[5] = names[2]
    asked = []
    found = kept_features(model, geometry, plates, np.arange(8), names, cache=tmp_path, on_new=asked.append)
    assert asked == [7]
    assert (found[5] == found[2]).all()


def test_a_damaged_segment_is_made_again(plates, tmp_path):
    model, geometry = network()
    model.eval()
    first = kept_features(model, geometry, plates, np.arange(6), contents(24), cache=tmp_path)
    (segment,) = tmp_path.rglob("*.safetensors")
    segment.write_bytes(segment.read_bytes()[:100])
    assert (kept_features(model, geometry, plates, np.arange(6), contents(24), cache=tmp_path) == first).all()


def test_the_key_follows_the_backbone_and_not_the_labels():
    model, geometry = network()
    key = backbone_key(model, geometry)
    more_labels = network(task=Task(("a", "b", "c"), size=(32, 32)))[0]
    more_labels.load_state_dict({k: v for k, v in model.state_dict().items() if "classifier" not in k}, strict=False)
    assert backbone_key(more_labels, geometry) == key
    assert backbone_key(network(seed=1)[0], geometry) != key
    with torch.no_grad():
        next(model.parameters())[0, 0, 0, 0] += 1
    assert backbone_key(model, geometry) != key
    assert backbone_key(network()[0], network(task=Task(("a", "b"), size=(40, 40)))[1]) != key


def test_an_empty_store_knows_nothing(tmp_path):
    found, known = FeatureStore(tmp_path / "none").find(contents(3))
    assert found is None
    assert not known.any()


def test_prepared_pictures_have_features_of_their_own(plates, tmp_path):
    model, geometry = network()
    model.eval()
    plain = kept_features(model, geometry, plates, np.arange(4), contents(24), cache=tmp_path)
    plates.settings = replace(plates.settings, preparation=build_preparation([{"name": "cartoonify"}]).key)
    plates._arrays = [np.zeros_like(array) for array in plates._arrays]
    prepared = kept_features(model, geometry, plates, np.arange(4), contents(24), cache=tmp_path)
    assert np.abs(plain - prepared).max() > 1e-3
