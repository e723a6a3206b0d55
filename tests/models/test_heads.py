"""A checkpoint's output layers for other labels: rows go by name, new labels get new rows."""

import pytest
import torch
from transformers import DeiTConfig, DeiTForImageClassificationWithTeacher, PvtConfig, PvtForImageClassification

from kunstkammer.errors import ModelError
from kunstkammer.models.catalogue import Task, create_model
from kunstkammer.models.heads import head_tensors, rows_by_label, take_over_rows
from kunstkammer.models.scene import SceneNet
from kunstkammer.training.fit import create_scene, write_checkpoint
from kunstkammer.training.recipe import Recipe

SMALL = {
    "resnet-10": {"hidden_sizes": [8, 8, 16, 16], "embedding_size": 8},
    "sketchnet": {"stages": [[4], [8]], "dense": 8},
}


def network(name, labels, many=False, size=32):
    """A network whose labels stand in this very order, as in a checkpoint from elsewhere."""
    torch.manual_seed(1)
    return create_model(name, Task(labels, many, size=(size, size)), options=SMALL[name])


def saved(tmp_path, model, geometry):
    (tmp_path / "run").mkdir(exist_ok=True)
    write_checkpoint(tmp_path / "run", model, geometry)
    return str(tmp_path / "run")


def logits(model, channels):
    pixels = torch.rand(4, channels, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return model.eval()(pixel_values=pixels).logits


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("labels", [("ring", "bars"), ("ring", "bars", "cross")])
@pytest.mark.parametrize("name", SMALL)
def test_every_label_keeps_its_answer_whatever_its_place(name, labels, many, tmp_path):
    model, geometry = network(name, labels, many)
    channels = geometry.channels
    wanted = logits(model, channels)
    path = saved(tmp_path, model, geometry)
    ordered = tuple(sorted(labels))
    again, _ = create_model(path, Task(ordered, many))
    found = logits(again, channels)
    torch.testing.assert_close(found, wanted[:, [labels.index(label) for label in ordered]])
    assert again.config.id2label == dict(enumerate(ordered))


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(
    ("before", "after"),
    [(("ring", "bars"), ("bars", "coin", "ring")), (("ring", "bars", "cross"), ("bars", "ring"))],
)
def test_known_labels_keep_what_they_say_of_each_other(name, before, after, tmp_path, capfd):
    model, geometry = network(name, before)
    wanted = logits(model, geometry.channels)
    again, _ = create_model(saved(tmp_path, model, geometry), Task(after))
    found = logits(again, geometry.channels)
    gap = found[:, after.index("bars")] - found[:, after.index("ring")]
    torch.testing.assert_close(gap, wanted[:, before.index("bars")] - wanted[:, before.index("ring")])
    told = capfd.readouterr().err
    assert ("1 are new to it: coin" in told) == ("coin" in after)
    rows = rows_by_label(again)
    assert all(tensor.abs().sum() > 0 for key, tensor in rows.items() if key.endswith("weight"))


@pytest.mark.parametrize("name", SMALL)
def test_one_label_of_two_is_kept_beside_a_new_one(name, tmp_path):
    model, geometry = network(name, ("ring", "bars"))
    kept = rows_by_label(model)
    again, _ = create_model(saved(tmp_path, model, geometry), Task(("bars", "coin")))
    for key, rows in rows_by_label(again).items():
        if name == "resnet-10":
            torch.testing.assert_close(rows[0], kept[key][1])
        assert not torch.allclose(rows[1], kept[key][0]) or not rows.any()


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("before", [("ring", "bars"), ("LABEL_0", "LABEL_1")])
def test_without_a_label_in_common_the_head_is_new(name, before, tmp_path, capfd):
    model, geometry = network(name, before)
    path = saved(tmp_path, model, geometry)
    torch.manual_seed(5)
    again, _ = create_model(path, Task(("LABEL_0", "coin")))
    old, new = rows_by_label(model), rows_by_label(again)
    weights = [key for key in new if key.endswith("weight")]
    assert weights
    for key in weights:
        assert not torch.isclose(old[key].abs(), new[key].abs()).any()
    told = capfd.readouterr().err
    assert ("have no names (LABEL_0 ...)" if before[0] == "LABEL_0" else "none of these labels") in told
    state = model.state_dict()
    backbone = [key for key in state if key not in old]
    assert all(torch.equal(state[key], again.state_dict()[key]) for key in backbone)


def test_a_new_head_is_drawn_as_the_model_draws_one(tmp_path):
    model, geometry = network("resnet-10", ("ring", "bars"))
    with torch.no_grad():
        model.classifier[-1].weight.fill_(50)
    again, _ = create_model(saved(tmp_path, model, geometry), Task(("x", "y")))
    scratch, _ = network("resnet-10", ("x", "y"))
    spread = rows_by_label(again)["classifier.1.weight"].std() / rows_by_label(scratch)["classifier.1.weight"].std()
    assert 0.5 < spread < 2


def test_every_head_of_a_scene_model_goes_by_name(tmp_path):
    values = {"name": "s", "model": {"name": "sketchnet", "options": SMALL["sketchnet"]}, "text": {"hidden": 4}}
    recipe = Recipe.load(values, {"picture.size": 32})
    labels = ("ring", "bars", "cross")
    torch.manual_seed(0)
    model, _ = create_scene(recipe, Task(labels, True, size=(32, 32)), 6)
    heads = {key.split(".")[0] for key in head_tensors(model)}
    assert heads == {"picture_head", "text_head", "fusion_head"}
    torch.manual_seed(0)
    other, _ = create_scene(recipe, Task(tuple(sorted(labels)), True, size=(32, 32)), 6)
    other.load_state_dict(model.state_dict())
    assert isinstance(other, SceneNet)
    assert take_over_rows(other, labels, rows_by_label(model)) == ["bars", "cross", "ring"]
    pixels, text = torch.rand(3, 1, 32, 32), torch.rand(3, 6)
    order = [labels.index(label) for label in sorted(labels)]
    with torch.inference_mode():
        one, two = (net.eval()(pixel_values=pixels, text_features=text) for net in (model, other))
    for branch in ("logits", "picture_logits", "text_logits"):
        torch.testing.assert_close(two[branch], one[branch][:, order])


def test_both_heads_of_a_distilled_network_go_by_name():
    config = DeiTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32,
        id2label={0: "ring", 1: "bars", 2: "cross"}, label2id={"ring": 0, "bars": 1, "cross": 2},
    )  # fmt: skip
    model = DeiTForImageClassificationWithTeacher(config)
    assert {key.split(".")[0] for key in head_tensors(model)} == {"cls_classifier", "distillation_classifier"}


def test_a_network_whose_output_does_not_follow_from_its_labels_is_named():
    small = {
        "hidden_sizes": [8, 8, 8, 8],
        "depths": [1, 1, 1, 1],
        "num_attention_heads": [1, 1, 1, 1],
        "image_size": 64,
    }
    model = PvtForImageClassification(PvtConfig(**small, id2label={0: "a", 1: "b"}, label2id={"a": 0, "b": 1}))
    with pytest.raises(ModelError, match="PvtForImageClassification does not follow from its labels"):
        head_tensors(model)
