"""The optimizer and the learning-rate schedule of a recipe."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from kunstkammer.training.recipe import OptimizerSettings, ScheduleSettings


def make_optimizer(model: nn.Module, settings: OptimizerSettings) -> torch.optim.Optimizer:
    """Return SGD, Adam or AdamW over the weights that learn; biases and normalisation are never decayed.

    With `layer_decay` below 1 a stage learns at the rate of the next one times it (Clark et al. 2020, ELECTRA, appendix
    A): the head at the full rate, what stands nearest to the picture at the lowest.
    """
    factors = layer_factors(model, settings.layer_decay)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decay = settings.weight_decay if parameter.ndim > 1 else 0.0
            # Negated, so that groups are in the order from the highest rate and decayed ones come first.
            groups.setdefault((-factors[name], -decay), []).append(parameter)
    settled = [
        {"params": members, "lr": -factor * settings.learning_rate, "weight_decay": -decay}
        for (factor, decay), members in sorted(groups.items(), key=lambda item: item[0])
    ]
    if settings.name == "sgd":
        return torch.optim.SGD(
            settled, lr=settings.learning_rate, momentum=settings.momentum, nesterov=settings.nesterov, fused=True
        )
    kind = torch.optim.Adam if settings.name == "adam" else torch.optim.AdamW
    # Fused: one pass over memory; four times as fast on a CPU.
    return kind(settled, lr=settings.learning_rate, fused=True)


def layer_factors(model: nn.Module, decay: float) -> dict[str, float]:
    """Return the factor of the learning rate of each parameter: `decay` to the power of its distance from the head.

    A stage is a member of an outermost list of modules (the stages of ResNet and Swin, the blocks of ViT and
    MobileNetV2); what stands before, between and after such lists are stages of their own. Of a network with a
    `layer_root` only that module has stages: all around it is head.

    >>> net = nn.ModuleDict({"stem": nn.Linear(2, 2), "blocks": nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])})
    >>> layer_factors(net, 0.5)["stem.weight"], layer_factors(net, 0.5)["blocks.1.bias"]
    (0.25, 1.0)
    """
    root = f"{model.layer_root}." if hasattr(model, "layer_root") else ""
    if root:
        inner = layer_factors(model.get_submodule(root[:-1]), decay)
        names = [name for name, _ in model.named_parameters()]
        return {name: decay * inner[name[len(root) :]] if name.startswith(root) else 1.0 for name in names}
    lists = [name for name, module in model.named_modules() if isinstance(module, nn.ModuleList | nn.Sequential)]
    outermost = [name for name in lists if not any(name.startswith(f"{other}.") for other in lists)]
    stage_of: dict[str, str] = {}
    for name, _ in model.named_parameters():
        holder = next((item for item in outermost if name.startswith(f"{item}.")), None)
        if holder is None:
            stage_of[name] = name.rpartition(".")[0].split(".embeddings")[0]
        else:
            stage_of[name] = f"{holder}.{name[len(holder) + 1 :].partition('.')[0]}"
    stages = list(dict.fromkeys(stage_of.values()))
    return {name: decay ** (len(stages) - 1 - stages.index(stage)) for name, stage in stage_of.items()}


def rate_factor(settings: ScheduleSettings, steps: int) -> Callable[[int], float]:
    """Return the factor of the learning rate at a step, from 0 to 1.

    constant: 1; linear: falls to 0; cosine: falls to 0 on a half cosine (Loshchilov & Hutter 2017); one-cycle: rises on
    a half cosine over the first 25 % from 1/25, then falls to about 0 (Smith & Topin 2018). `warmup` is the share of
    steps in which the factor rises linearly from 0 before the schedule starts.
    """
    warm = int(settings.warmup * steps)

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / (warm + 1)
        place = (step - warm) / max(steps - warm, 1)
        if settings.name == "linear":
            return max(1 - place, 0.0)
        if settings.name == "cosine":
            return 0.5 * (1 + math.cos(math.pi * min(place, 1)))
        if settings.name == "one-cycle":
            if place < 0.25:
                return 0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * place / 0.25))
            return max(0.5 * (1 + math.cos(math.pi * (place - 0.25) / 0.75)), 1e-4)
        return 1.0

    return factor
