"""Layer-wise rates: the head at the full rate, each stage below it slower."""

import pytest
import torch

from kunstkammer.models.catalogue import Task, create_model
from kunstkammer.training.optimization import layer_factors, make_optimizer, rate_factor
from kunstkammer.training.recipe import OptimizerSettings, ScheduleSettings

SMALL = {"hidden_sizes": [8, 8, 16, 16], "embedding_size": 8}


@pytest.fixture
def model():
    return create_model("resnet-10", Task(("a", "b"), size=(32, 32)), options=SMALL)[0]


def test_the_factor_falls_from_the_head_to_the_picture(model):
    factors = layer_factors(model, 0.5)
    assert {v for k, v in factors.items() if k.startswith("classifier")} == {1.0}
    for stage in range(4):
        found = {v for k, v in factors.items() if f"encoder.stages.{stage}." in k}
        assert found == {0.5 ** (4 - stage)}
    assert max(v for k, v in factors.items() if "embedder" in k and "stages" not in k) <= 0.5**5


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_the_optimizer_holds_each_weight_once_at_its_rate(model, name):
    settings = OptimizerSettings(name=name, learning_rate=0.1, weight_decay=0.01, layer_decay=0.5)
    optimizer = make_optimizer(model, settings)
    held = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in model.parameters())
    rate = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    for key, parameter in model.named_parameters():
        assert rate[id(parameter)] == pytest.approx(0.1 * layer_factors(model, 0.5)[key])
        assert decay[id(parameter)] == (0.01 if parameter.ndim > 1 else 0)


def test_without_decay_there_is_one_rate(model):
    optimizer = make_optimizer(model, OptimizerSettings(learning_rate=0.1))
    assert {group["lr"] for group in optimizer.param_groups} == {0.1}
    assert len(optimizer.param_groups) == 2 if OptimizerSettings().weight_decay else 1


def test_warm_up_rises_and_then_the_schedule_begins():
    factor = rate_factor(ScheduleSettings(name="cosine", warmup=0.1), 100)
    values = [factor(step) for step in range(100)]
    assert values[:10] == sorted(values[:10])
    assert values[10] == pytest.approx(1.0)
    assert values[-1] < 0.01


def test_frozen_weights_are_not_held(model):
    for parameter in model.resnet.parameters():
        parameter.requires_grad_(False)
    optimizer = make_optimizer(model, OptimizerSettings())
    assert sum(p.numel() for group in optimizer.param_groups for p in group["params"]) == 16 * 2 + 2
    assert isinstance(optimizer, torch.optim.AdamW)
