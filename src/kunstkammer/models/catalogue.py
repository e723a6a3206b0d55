"""The catalogue: a name -> an untrained network; and any checkpoint folder or hub id beside it.

A member is one function that takes a `Task` and returns a `PreTrainedModel` with random weights.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import ResNetConfig, ResNetForImageClassification

from kunstkammer.data.plates import PlateSettings
from kunstkammer.errors import ModelError, RecipeError, guess, unknown_name
from kunstkammer.models.calibration import CALIBRATION_KEY, THRESHOLDS_KEY
from kunstkammer.models.folders import is_folder, refuse_pickles
from kunstkammer.models.geometry import PictureGeometry
from kunstkammer.models.heads import are_names, label_names_of, rows_by_label, take_over_rows
from kunstkammer.models.run import load_pretrained, model_channels, read_geometry
from kunstkammer.models.sketchnet import SketchNet, SketchNetConfig
from kunstkammer.progress import say
from kunstkammer.registry import get, names, register

if TYPE_CHECKING:
    from transformers import PreTrainedModel

DEFAULT_SIZE = 128
DROPOUT_KEYS = ("classifier_dropout_prob", "dropout_rate")
"""What configs of `transformers` call the dropout before the output layer, where the model has one."""


@dataclass(frozen=True)
class ModelFacts:
    """What others need to know of a member: whether it comes with weights that were trained elsewhere."""

    pretrained: bool

    def to_json(self) -> dict[str, Any]:
        """Return what `kunstkammer list models --json` says of it."""
        return {"pretrained": self.pretrained}


@dataclass(frozen=True)
class Task:
    """What a model is made for.

    Args:
        label_names: the sorted labels.
        multi_label: several labels a picture (sigmoid a label) or one (softmax).
        size: (height, width) of the input, None for the model's own.
        grey: grey or colour pictures, None for the model's own.
        fit: how a picture is fitted into its plate, None for the model's own.
    """

    label_names: tuple[str, ...]
    multi_label: bool = False
    size: tuple[int, int] | None = None
    grey: bool | None = None
    fit: str | None = None

    def config(self) -> dict[str, Any]:
        """Return what every config of `transformers` says of the labels."""
        return {
            "id2label": dict(enumerate(self.label_names)),
            "label2id": {label: i for i, label in enumerate(self.label_names)},
            "problem_type": "multi_label_classification" if self.multi_label else "single_label_classification",
        }


def _check_options(name: str, options: Mapping[str, Any], known: set[str]) -> None:
    for key in options:
        if key not in known:
            raise RecipeError(
                f"model.options: {name} has no option '{key}'.{guess(key, known)} Known: {', '.join(sorted(known))}."
            )


@register(
    "models",
    "sketchnet",
    "system C's network: six 3x3 convolutions, one dense layer, 699,305 parameters at 120 px",
    ModelFacts(pretrained=False),
)
def sketchnet(task: Task, **options: Any) -> SketchNet:
    """Return an untrained SketchNet (options: stages, batch_norm, batch_norm_momentum, dense, l2)."""
    height, width = task.size or (120, 120)
    if height != width:
        raise RecipeError(f"SketchNet takes square pictures; picture.size is {height} x {width}.")
    _check_options("sketchnet", options, {"stages", "batch_norm", "batch_norm_momentum", "dense", "dropout", "l2"})
    channels = 1 if task.grey in (None, True) else 3
    return SketchNet(SketchNetConfig(image_size=height, num_channels=channels, **options, **task.config()))


def _resnet(task: Task, name: str, depths: list[int], widths: list[int], layer: str, options: Mapping[str, Any]) -> Any:
    known = set(inspect.signature(ResNetConfig).parameters) & {
        "embedding_size",
        "hidden_sizes",
        "depths",
        "layer_type",
        "hidden_act",
        "downsample_in_first_stage",
    }
    _check_options(name, options, known)
    settings = {"embedding_size": 64, "hidden_sizes": widths, "depths": depths, "layer_type": layer, **options}
    return ResNetForImageClassification(ResNetConfig(**settings, **task.config()))


@register(
    "models",
    "resnet-10",
    "a residual network of 10 layers (He et al. 2016), 4.9 million parameters, from scratch",
    ModelFacts(pretrained=False),
)
def resnet_10(task: Task, **options: Any) -> PreTrainedModel:
    """Return an untrained ResNet-10 of basic blocks."""
    return _resnet(task, "resnet-10", [1, 1, 1, 1], [64, 128, 256, 512], "basic", options)


@register(
    "models",
    "resnet-18",
    "a residual network of 18 layers (He et al. 2016), 11.2 million parameters, from scratch",
    ModelFacts(pretrained=False),
)
def resnet_18(task: Task, **options: Any) -> PreTrainedModel:
    """Return an untrained ResNet-18 of basic blocks."""
    return _resnet(task, "resnet-18", [2, 2, 2, 2], [64, 128, 256, 512], "basic", options)


@register(
    "models",
    "resnet-34",
    "a residual network of 34 layers (He et al. 2016), 21.3 million parameters, from scratch",
    ModelFacts(pretrained=False),
)
def resnet_34(task: Task, **options: Any) -> PreTrainedModel:
    """Return an untrained ResNet-34 of basic blocks."""
    return _resnet(task, "resnet-34", [3, 4, 6, 3], [64, 128, 256, 512], "basic", options)


@register(
    "models",
    "resnet-50",
    "a residual network of 50 layers (He et al. 2016), 23.5 million parameters, from scratch",
    ModelFacts(pretrained=False),
)
def resnet_50(task: Task, **options: Any) -> PreTrainedModel:
    """Return an untrained ResNet-50 of bottleneck blocks."""
    return _resnet(task, "resnet-50", [3, 4, 6, 3], [256, 512, 1024, 2048], "bottleneck", options)


def create_model(
    name: str, task: Task, *, train: str = "all", dropout: float | None = None, options: Mapping[str, Any] | None = None
) -> tuple[PreTrainedModel, PictureGeometry]:
    """Return a model for `task` and how its pictures are prepared.

    Args:
        name: a name of the catalogue (random weights, from torch's current seed), or a checkpoint folder or hub id
            whose weights are taken over; rows of its output layers go by the names of their labels, and labels that
            it does not have get new ones.
        task: labels and pictures.
        train: "all" weights learn, or only those of the "head"; "frozen" is the same for the network.
        dropout: probability of dropout before the output layer; None leaves the model's own.
        options: further settings of the model's config.

    Raises:
        UnknownNameError: for a name that is neither in the catalogue nor a folder nor shaped like a hub id.
        ModelError: for a checkpoint that cannot be opened.
        RecipeError: for an option that the model does not have.
    """
    options = dict(options or {})
    if name in names("models"):
        if name == "sketchnet" and dropout is not None:
            options["dropout"], dropout = dropout, None
        model = get("models", name)(task, **options)
        geometry = _own_geometry(task, model)
    elif "/" in name or Path(name).exists():
        model, geometry, dropout = _pretrained(name, task, dropout, options)
    else:
        raise unknown_name("model", name, [*names("models"), "a checkpoint folder", "a hub id (owner/name)"])
    if dropout is not None:
        add_head_dropout(model, dropout)
    if train in ("head", "frozen"):
        freeze_backbone(model)
    return model.to(memory_format=torch.channels_last), geometry


def _own_geometry(task: Task, model: PreTrainedModel) -> PictureGeometry:
    channels = model_channels(model.config)
    size = task.size or ((model.config.image_size,) * 2 if hasattr(model.config, "image_size") else (DEFAULT_SIZE,) * 2)
    grey = channels == 1 or bool(task.grey)
    plate = PlateSettings(height=size[0], width=size[1], grey=grey, fit=task.fit or "squash")  # type: ignore[arg-type]
    if isinstance(model, SketchNet):  # as published: grey values divided by 255, nothing else
        return PictureGeometry(plate, size, channels, (0.0,) * channels, (1.0,) * channels)
    return PictureGeometry(plate, size, channels, (0.5,) * channels, (0.5,) * channels)


def _pretrained(
    name: str, task: Task, dropout: float | None, options: dict[str, Any]
) -> tuple[PreTrainedModel, PictureGeometry, float | None]:
    if is_folder(name):
        refuse_pickles(Path(name))
    model, processor = _with_rows_by_name(name, task, options)
    for key in (CALIBRATION_KEY, THRESHOLDS_KEY):  # of its old weights and labels: training finds new ones
        if hasattr(model.config, key):
            delattr(model.config, key)
    dropout = _set_own_dropout(model, dropout)
    channels = model_channels(model.config)
    grey = task.grey if task.grey is not None else channels == 1
    geometry = read_geometry(processor, channels=channels, grey=grey, name=name)
    if task.size or task.fit:
        geometry = geometry.resized(task.size, task.fit)  # type: ignore[arg-type]
        _require_size(model, geometry, name)
    return model, geometry, dropout


@torch.inference_mode()
def _require_size(model: PreTrainedModel, geometry: PictureGeometry, name: str) -> None:
    """Raise `RecipeError` where a network does not take pictures of the size that a recipe asks for."""
    training = model.training
    model.eval()
    try:
        model(pixel_values=torch.zeros(1, geometry.channels, *geometry.input_size))
    except (RuntimeError, ValueError, AssertionError) as error:
        own = getattr(model.config, "image_size", None)
        size = own if isinstance(own, int) else None
        mend = f"set picture.size to {size}" if size else "leave picture.size out"
        asked = " x ".join(map(str, geometry.input_size))
        raise RecipeError(f"{name} does not take pictures of {asked} pixels; {mend}.") from error
    finally:
        model.train(training)


def _with_rows_by_name(name: str, task: Task, options: dict[str, Any]) -> tuple[PreTrainedModel, dict[str, Any]]:
    """Return a checkpoint for the task's labels and its processor; each label keeps its row of the output layers.

    What it could not take over is said: a label that the checkpoint does not know has new rows, and a checkpoint
    without names (LABEL_0 ...) or without a label in common a wholly new head.
    """
    source, processor = load_pretrained(name, answers=False, **options)
    known = label_names_of(source.config)
    multi_label = source.config.problem_type == "multi_label_classification"
    if are_names(known) and known == task.label_names and multi_label == task.multi_label:
        source.config.update(task.config())
        return source, processor
    rows = rows_by_label(source) if are_names(known) else {}
    del source
    model, processor = load_pretrained(name, **task.config(), **options)
    common = take_over_rows(model, known, rows)
    new = [label for label in task.label_names if label not in common]
    if not are_names(known):
        say(f"The labels of {name} have no names ({known[0]} ...): its output layer is not used, a new one is drawn.")
    elif not common:
        say(f"{name} has none of these labels in its output layer: a new one is drawn.")
    elif new:
        shown = ", ".join([*new[:3], *(["..."] if len(new) > 3 else [])])
        say(f"{len(common)} labels keep what {name} knows of them; {len(new)} are new to it: {shown}.")
    return model, processor


def _set_own_dropout(model: PreTrainedModel, dropout: float | None) -> float | None:
    """Give the dropout layer that a model brings along the asked probability; return what is left to be done."""
    layer = getattr(model, "dropout", None)
    for key in DROPOUT_KEYS:
        if dropout is not None and isinstance(layer, nn.Dropout) and hasattr(model.config, key):
            setattr(model.config, key, dropout)
            layer.p = dropout
            return None
    return dropout


def output_layer(model: nn.Module) -> nn.Linear:
    """Return the last linear layer of a classifier, the one that gives the logits; of a scene model, its picture's."""
    own = getattr(model, "picture_head", None)
    if isinstance(own, nn.Linear):
        return own
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not layers:
        raise ModelError(f"{type(model).__name__} has no linear output layer; dropout in its head is not possible.")
    return layers[-1]


def add_head_dropout(model: nn.Module, probability: float) -> None:
    """Let values before the output layer be dropped in training, without a module of its own.

    A hook leaves the names of the weights as `transformers` knows them, so that the checkpoint opens without
    Kunstkammer; in evaluation nothing is dropped anyway.
    """

    def drop(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (nn.functional.dropout(inputs[0], probability, training=module.training), *inputs[1:])

    output_layer(model).register_forward_pre_hook(drop)


def head_parameters(model: PreTrainedModel) -> set[str]:
    """Return the names of the parameters outside the backbone."""
    prefix = f"{model.base_model_prefix}."
    outside = {name for name, _ in model.named_parameters() if not name.startswith(prefix)}
    if outside and len(outside) < sum(1 for _ in model.named_parameters()):
        return outside
    return {name for name, _ in model.named_parameters() if name.startswith("classifier.")}


def freeze_backbone(model: PreTrainedModel) -> None:
    """Let only the head learn; batch normalisation of the frozen part keeps its statistics (evaluation mode)."""
    head = head_parameters(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in head)
    for module in model.modules():
        frozen = not any(parameter.requires_grad for parameter in module.parameters(recurse=False))
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and frozen:
            module.register_forward_pre_hook(_evaluate)


def _evaluate(module: nn.Module, _: object) -> None:
    module.eval()
