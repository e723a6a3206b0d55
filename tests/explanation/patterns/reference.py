"""The definition, written out: every patch laid out, every mean taken as it stands in the paper."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GOLDENS = ("net1_maxpool", "net2_avgpool", "net3_rgb_stride2")
NAMES = {"two-component": "relu.positive", "linear": "linear", "negative": "relu.negative"}


def patches(x: Tensor, layer: nn.Conv2d) -> Tensor:
    """Return the patches of each group, (groups, N * places, C / groups * kh * kw)."""
    parts = x.chunk(layer.groups, dim=1)
    unfolded = [F.unfold(p, layer.kernel_size, layer.dilation, layer.padding, layer.stride) for p in parts]
    return torch.stack([u.transpose(1, 2).flatten(0, 1) for u in unfolded])


def pattern(x: Tensor, w: Tensor, active: Tensor) -> Tensor:
    """Return the pattern of one output from rows x (M, D), its weight (D,) and where it counts, bool (M,)."""
    y = x @ w
    if not active.any():
        return torch.zeros_like(w)
    c = (x * y[:, None])[active].mean(0) - x[active].mean(0) * y.mean()
    return c / (w @ c) if (w @ c) != 0 else torch.zeros_like(w)


def patterns(rows: Tensor, weight: Tensor, active: Tensor) -> Tensor:
    """Return the patterns of a layer from rows of each group (G, M, D), its weight and where it is active (M, O)."""
    outputs = weight.flatten(1)
    each = len(outputs) // len(rows)
    found = [pattern(rows[o // each], outputs[o], active[:, o]) for o in range(len(outputs))]
    return torch.stack(found).reshape(weight.shape)


def golden_network(golden: Any) -> nn.Sequential:
    """Build the network whose reference numbers these are, float64."""
    layers: list[nn.Module] = []
    number = 0
    for told in json.loads(str(golden["meta_json"]))["layers"]:
        kind = told["type"]
        if kind in {"Conv2D", "Dense"}:
            weight, bias = (torch.from_numpy(golden[f"torch/{key}{number}"]) for key in "Wb")
            if kind == "Conv2D":
                size = weight.shape[2]
                padding = size // 2 if told["padding"] == "same" else 0
                layer = nn.Conv2d(*weight.shape[1::-1], size, stride=told["strides"][0], padding=padding)
            else:
                layer = nn.Linear(*weight.shape[::-1])
            layer.double().load_state_dict({"weight": weight, "bias": bias})
            layers += [layer] + [nn.ReLU()] * (told["activation"] == "relu")
            number += 1
        else:
            layers.append(
                {"MaxPooling2D": nn.MaxPool2d(2), "AveragePooling2D": nn.AvgPool2d(2), "Flatten": nn.Flatten()}[kind]
            )
    return nn.Sequential(*layers)
