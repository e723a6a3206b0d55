"""The networks whose maps were computed with the reference implementation: how they are built and read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

TRIMMED = Path(__file__).parent / "goldens"
"""A part of the numbers, kept here; see its README."""


def _conv(inputs: int, outputs: int, **settings: Any) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, **settings)


NETS: dict[str, Callable[[], list[nn.Module]]] = {
    "net1_maxpool": lambda: [
        *(_conv(1, 8, padding=1), nn.ReLU(), nn.MaxPool2d(2), _conv(8, 16, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(256, 32), nn.ReLU(), nn.Linear(32, 10)),
    ],
    "net2_avgpool": lambda: [
        *(_conv(1, 8, padding=1), nn.ReLU(), _conv(8, 12), nn.ReLU(), nn.AvgPool2d(2), _conv(12, 16, padding=1)),
        *(nn.ReLU(), nn.Flatten(), nn.Linear(144, 32), nn.ReLU(), nn.Linear(32, 10)),
    ],
    "net3_rgb_stride2": lambda: [
        *(_conv(3, 10, stride=2), nn.ReLU(), _conv(10, 14, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(126, 6)),
    ],
}


def read(folder: Path, name: str) -> tuple[nn.Sequential, dict[str, torch.Tensor]]:
    """Return the network in float64 and all arrays of the file, as tensors."""
    with np.load(folder / f"{name}.npz") as file:
        arrays = {key: torch.from_numpy(file[key]) for key in file.files if file[key].dtype.kind == "f"}
    model = nn.Sequential(*NETS[name]()).double()
    kernels = [layer for layer in model if isinstance(layer, nn.Conv2d | nn.Linear)]
    with torch.no_grad():
        for number, layer in enumerate(kernels):
            layer.weight.copy_(arrays[f"torch/W{number}"])
            layer.bias.copy_(arrays[f"torch/b{number}"])
    return model, arrays
