"""MixStyle: statistics change hands, what a picture shows does not; a training with it is still exact."""

import numpy as np
import pytest
import torch
from torch import nn

from kunstkammer.data.plates import make_plates
from kunstkammer.data.readers import read
from kunstkammer.errors import RecipeError
from kunstkammer.models.catalogue import Task, create_model
from kunstkammer.training.recipe_kinds import StyleMixingSettings
from kunstkammer.training.style_mixing import StyleMixer, mix_styles, mixing_places

from .lesson import learn

ALWAYS = StyleMixingSettings(probability=1.0, alpha=0.5)


def small(name, **options):
    return create_model(name, Task(("a", "b"), size=(64, 64), grey=False), options=options)[0]


@pytest.mark.parametrize(
    ("name", "options", "places"),
    [
        ("resnet-10", {"hidden_sizes": [8, 8, 16, 16], "embedding_size": 8}, ["stages.0", "stages.1"]),
        ("sketchnet", {"stages": [[4, 4], [8]], "dense": 8}, ["features.0", "features.3"]),
    ],
)
def test_the_places_are_the_ends_of_the_first_stages(name, options, places):
    found = mixing_places(small(name, **options), torch.zeros(1, 3, 64, 64))
    assert [place[-len(end) :] for place, end in zip(found, places, strict=True)] == places


def test_a_network_without_maps_is_refused():
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=8, num_hidden_layers=2, num_attention_heads=1, intermediate_size=8, image_size=32, patch_size=16
    )
    with pytest.raises(RecipeError, match="style_mixing needs a network with feature maps"):
        mixing_places(ViTForImageClassification(config), torch.zeros(1, 3, 32, 32))


def test_statistics_are_taken_over_and_the_content_stays():
    torch.manual_seed(0)
    maps, others = torch.randn(4, 3, 8, 8), 5 + 3 * torch.randn(6, 3, 8, 8)
    mixed = torch.cat([mix_styles(maps, others, alpha=0.1) for _ in range(50)])
    means, spreads = mixed.mean(dim=(1, 2, 3)), mixed.std(dim=(2, 3)).mean(dim=1)
    assert -1 < means.min() < 0.5  # a style of its own, or nearly
    assert 4 < means.max() < 6  # another's
    assert spreads.max() > 2.5
    mixed = mixed[:4]
    flat, before = mixed.flatten(2), maps.flatten(2)
    agreement = nn.functional.cosine_similarity(
        flat - flat.mean(2, keepdim=True), before - before.mean(2, keepdim=True), dim=2
    )
    assert (agreement > 0.999).all()


def test_strangers_lend_their_style_and_leave():
    torch.manual_seed(0)
    model = small("resnet-10", hidden_sizes=[8, 8, 16, 16], embedding_size=8).train()
    pixels, others = torch.randn(4, 3, 64, 64), torch.randn(5, 3, 64, 64) * 4 + 2
    mixer = StyleMixer(model, ALWAYS, pixels[:1])
    assert mixer(model, pixels, others).logits.shape == (4, 2)
    model.eval()
    plain = model(pixel_values=pixels).logits
    assert torch.equal(mixer(model, pixels, others).logits, plain)
    mixer.remove()
    model.train()
    assert not [module for module in model.modules() if module._forward_hooks]


def test_gradients_reach_the_first_layer():
    torch.manual_seed(0)
    model = small("resnet-10", hidden_sizes=[8, 8, 16, 16], embedding_size=8).train()
    mixer = StyleMixer(model, ALWAYS, torch.zeros(1, 3, 64, 64))
    mixer(model, torch.randn(4, 3, 64, 64)).logits.sum().backward()
    assert float(next(model.parameters()).grad.abs().sum()) > 0


def test_a_training_with_it_is_reproducible_and_differs_from_one_without(collection_folder, tmp_path):
    mixing = {"training__style_mixing": {"probability": 0.5}, "training__epochs": 3}
    runs = {"one": mixing, "two": mixing, "plain": {"training__epochs": 3}}
    found = {}
    for name, changes in runs.items():
        found[name] = learn(collection_folder, tmp_path / name, **changes).history[-1]["train_loss"]
    assert found["one"] == found["two"] != found["plain"]


def test_plates_of_a_second_domain_come_with_every_batch(collection_folder):
    from kunstkammer.training.classification import Classification
    from kunstkammer.training.sampling import BatchKey

    _, geometry = create_model("sketchnet", Task(("a", "b"), size=(32, 32)), options={"stages": [[4]]})
    collection = read(collection_folder)
    plates = make_plates(collection, geometry.plate, show_progress=False)
    rows = np.arange(8)
    learning = Classification(plates, collection.targets(), rows, rows[:0], geometry)
    learning.others = plates.select(np.arange(20, 24))
    first, again = (learning.batch(BatchKey(rows, 7)) for _ in range(2))
    assert first["others"].shape == (8, 1, 32, 32)
    assert torch.equal(first["others"], again["others"])
