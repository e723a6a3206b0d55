"""SceneNet: an ordinary transformers model that joins picture and text late, and answers from either alone."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from kunstkammer.errors import ModelError
from kunstkammer.explanation import explain, fit_patterns
from kunstkammer.explanation.interface import option_names
from kunstkammer.models.catalogue import Task, create_model, freeze_backbone
from kunstkammer.models.features import batch_features
from kunstkammer.models.scene import SceneNet, SceneWithText, scene_around
from kunstkammer.registry import get, names
from kunstkammer.training.losses import binary_cross_entropy
from kunstkammer.training.optimization import layer_factors
from kunstkammer.training.recipe_kinds import StyleMixingSettings
from kunstkammer.training.style_mixing import StyleMixer

TASK = Task(("angry", "fear", "happy"), multi_label=True, size=(32, 32))
SKETCH = {"stages": [[4], [8]], "dense": 8}


def scene(name="sketchnet", task=TASK, **settings) -> SceneNet:
    torch.manual_seed(0)
    backbone, _ = create_model(name, task, options=SKETCH if name == "sketchnet" else {})
    return scene_around(backbone, task.config(), text_width=16, **settings).eval()


def pixels(model, n=4):
    return torch.rand(n, model.config.num_channels, 32, 32)


@pytest.mark.parametrize("name", names("models"))
def test_it_stands_around_any_network_of_the_catalogue(name):
    model = scene(name)
    output = model(pixels(model), torch.rand(4, 16))
    assert output.logits.shape == output.picture_logits.shape == output.text_logits.shape == (4, 3)
    backbone, _ = create_model(name, TASK, options=SKETCH if name == "sketchnet" else {})
    missing = set(model.backbone.state_dict()) ^ set(backbone.state_dict())
    assert len(missing) == 2, f"only the old head's weight and bias are left behind: {missing}"


def test_the_picture_networks_weights_are_taken_over():
    backbone, _ = create_model("sketchnet", TASK, options=SKETCH)
    model = scene_around(backbone, TASK.config(), text_width=16)
    kept = model.backbone.state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in backbone.state_dict().items() if name in kept)


def test_transformers_opens_it_after_import_kunstkammer(tmp_path):
    model = scene("resnet-10")
    model.save_pretrained(tmp_path)
    code = (
        "import sys, kunstkammer, torch; from transformers import AutoModelForImageClassification as A;"
        "m = A.from_pretrained(sys.argv[1]).eval(); print(type(m).__name__, m.config.id2label[1],"
        "m(torch.full((1, 3, 32, 32), 0.5), torch.full((1, 16), 0.5)).logits.sum().item())"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    kind, label, total = done.stdout.split()
    assert (kind, label) == ("SceneNet", "fear")
    own = model(torch.full((1, 3, 32, 32), 0.5), torch.full((1, 16), 0.5)).logits.sum().item()
    assert float(total) == pytest.approx(own, abs=1e-4)


def test_without_text_the_picture_answers_alone():
    model = scene()
    x, text = pixels(model), torch.rand(4, 16)
    alone = model(x).logits
    torch.testing.assert_close(alone, model(x, torch.zeros(4, 16)).logits)
    torch.testing.assert_close(alone, model(x, text).picture_logits)
    assert not torch.allclose(alone, model(x, text).logits)
    text[2] = 0
    mixed = model(x, text)
    torch.testing.assert_close(mixed.logits[2], alone[2])
    assert mixed.has_text.tolist() == [True, True, False, True]


def test_its_joint_answer_is_the_linear_layer_over_both_normalised_branches():
    model = scene()
    x, text = pixels(model), torch.rand(4, 16)
    picture = nn.functional.layer_norm(model.backbone(x).logits, (8,))
    words = nn.functional.layer_norm(nn.functional.gelu(model.text_branch[1](text)), (128,))
    torch.testing.assert_close(model(x, text).logits, model.fusion_head(torch.cat([picture, words], dim=1)))


def test_text_is_withheld_in_training_as_often_as_asked():
    model = scene(modality_dropout=0.25, dropout=0.0, text_dropout=0.0).train()
    x, text = pixels(model, 1).expand(2000, -1, -1, -1), torch.rand(1, 16).expand(2000, -1)
    model.backbone.eval()
    torch.manual_seed(1)
    output = model(x, text)
    withheld = (output.logits - output.picture_logits).abs().max(dim=1).values < 1e-6
    assert 0.2 < withheld.float().mean() < 0.3


def test_its_auxiliary_loss_is_that_of_the_branches_where_they_have_something_to_say():
    model = scene(auxiliary=0.5)
    x, text, y = pixels(model), torch.rand(4, 16), torch.eye(4)[:, :3]
    text[0] = 0
    output = model(x, text)
    expected = 0.5 * (
        binary_cross_entropy(output.picture_logits, y) + binary_cross_entropy(output.text_logits[1:], y[1:])
    )
    torch.testing.assert_close(model.auxiliary_loss(output, y, binary_cross_entropy), expected)
    alone = model(x)
    torch.testing.assert_close(
        model.auxiliary_loss(alone, y, binary_cross_entropy), 0.5 * binary_cross_entropy(alone.picture_logits, y)
    )


def test_a_loss_comes_with_labels_of_one_or_of_several():
    model = scene()
    x, text = pixels(model), torch.rand(4, 16)
    several, one = torch.eye(4)[:, :3], torch.tensor([0, 1, 2, 0])
    logits = model(x, text).logits
    torch.testing.assert_close(
        model(x, text, several).loss, nn.functional.binary_cross_entropy_with_logits(logits, several)
    )
    torch.testing.assert_close(model(x, text, one).loss, nn.functional.cross_entropy(logits, one))


def test_two_classes_have_a_vector_of_features_too():
    model = scene(task=Task(("a", "b"), size=(32, 32)))
    assert model(pixels(model), torch.rand(4, 16)).logits.shape == (4, 2)


def test_the_features_of_its_picture_are_what_its_picture_head_sees():
    model = scene()
    x = pixels(model)
    found = batch_features(model, x)
    with torch.inference_mode():
        torch.testing.assert_close(model.picture_head(found), model(x).logits)


def test_training_the_head_leaves_the_picture_network_alone():
    model = scene("resnet-10")
    freeze_backbone(model)
    learning = {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert learning == {"picture_norm", "picture_head", "text_branch", "text_head", "fusion_head"}


def test_layer_wise_rates_are_those_of_the_picture_network():
    factors = layer_factors(scene("resnet-10"), 0.5)
    assert {factor for name, factor in factors.items() if not name.startswith("backbone.")} == {1.0}
    assert max(factor for name, factor in factors.items() if name.startswith("backbone.")) == 0.5


@pytest.mark.parametrize("method", [m for m in names("explainers") if not m.startswith("attention-")])
def test_every_explainer_works_without_text_and_with(method):
    model = scene("resnet-10")
    x, text = pixels(model, 2), torch.rand(1, 16)
    knows = "patterns" in option_names(get("explainers", method))

    def more(network):
        return {"patterns": fit_patterns(network, [x], "linear")} if knows else {}

    alone = explain(model, x, target="fear", method=method, **more(model))
    told = explain(SceneWithText(model, text), x[:1], target="fear", method=method, **more(SceneWithText(model, text)))
    assert alone.shape[0] == 2
    assert told.shape == alone[:1].shape
    assert torch.isfinite(told).all()
    # Deep Taylor starts from max(0, logit), and the logit of an untrained network may be negative.
    assert told.abs().sum() > 0 or (method == "deep-taylor" and model(x[:1], text).logits[0].min() < 0)


def test_what_is_told_counts_in_the_explanation():
    model = scene("resnet-10")
    x = pixels(model, 1)
    torch.testing.assert_close(SceneWithText(model, torch.ones(1, 16))(x).logits, model(x, torch.ones(1, 16)).logits)
    maps = [
        explain(SceneWithText(model, text), x, target=0, method="gradient")
        for text in (torch.ones(1, 16), torch.zeros(1, 16))
    ]
    assert not torch.allclose(*maps)


def test_styles_are_mixed_with_pictures_of_another_domain_that_have_no_text():
    model = scene("resnet-10").train()
    mixer = StyleMixer(model, StyleMixingSettings(probability=1.0), pixels(model, 1))
    assert all(place.startswith("backbone.") for place in mixer.places)
    output = mixer(model, pixels(model, 4), pixels(model, 6), text_features=torch.rand(4, 16))
    assert output.logits.shape == (4, 3)


def test_what_does_not_fit_is_named():
    model = scene()
    with pytest.raises(ModelError, match=r"shape \(4, 7\), not \(4, 16\)"):
        model(pixels(model), torch.rand(4, 7))
    with pytest.raises(ModelError, match="one picture"):
        SceneWithText(model, torch.rand(2, 16))
    with pytest.raises(ModelError, match="scene model already"):
        scene_around(model, TASK.config(), text_width=16)
