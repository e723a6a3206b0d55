"""What an exact resume needs, kept in `RUN/state/` as safetensors and JSON; never a pickle.

A state is a folder `step-N` that appears whole by one rename. The newest whole one counts; older ones go only after a
newer one stands. Because every batch is a pure function of (seed, epoch, batch), no random state has to be kept.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from kunstkammer.errors import ModelError
from kunstkammer.files import atomic_file, atomic_folder
from kunstkammer.models.weights import write_tensors

STATE_FOLDER = "state"
WEIGHTS = "model.safetensors"
OPTIMIZER = "optimizer.safetensors"
NUMBERS = "state.json"


def save_weights(model: nn.Module, path: Path) -> None:
    """Write a model's weights and buffers to one safetensors file, whole or not at all."""
    with atomic_file(path) as partial:
        write_tensors(_tensors(model), partial)


def load_weights(model: nn.Module, path: Path) -> None:
    """Read what `save_weights` wrote, exactly, keeping the model's memory format."""
    missing, unexpected = model.load_state_dict(load_file(path), strict=False)
    absent = sorted(set(missing) & set(_tensors(model)))
    if absent or unexpected:
        raise ModelError(f"{path} belongs to another network: {(absent + list(unexpected))[0]} does not match.")


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return the state dict without a second name for a tensor that is shared."""
    seen: set[int] = set()
    tensors = {}
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() not in seen or tensor.numel() == 0:
            tensors[name] = tensor
        seen.add(tensor.data_ptr())
    return tensors


def _split_optimizer(optimizer: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return an optimizer's tensors by "parameter/key", and all its other values."""
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, dict[str, Any]] = {}
    for index, values in state["state"].items():
        for key, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{index}/{key}"] = value
            else:
                numbers.setdefault(str(index), {})[key] = value
    return tensors, {"state": numbers, "param_groups": state["param_groups"]}


def save_state(
    run: Path, step: int, model: nn.Module, optimizer: Any, numbers: dict[str, Any], texts: dict[str, str]
) -> None:
    """Keep weights, optimizer, `numbers` (JSON) and `texts` (file name -> content) as the state after `step`.

    Older states, and weights of epochs that are no longer the best, are dropped once the new state stands.
    """
    folder = run / STATE_FOLDER / f"step-{step:09d}"
    tensors, rest = _split_optimizer(optimizer)
    with atomic_folder(folder) as partial:
        write_tensors(_tensors(model), partial / WEIGHTS)
        write_tensors(tensors, partial / OPTIMIZER)
        text = json.dumps({**numbers, "step": step, "optimizer": rest})
        for name, content in {NUMBERS: text, **texts}.items():
            (partial / name).write_text(content, encoding="utf-8")
        _sync(partial)
    best = numbers.get("best_weights")
    for other in (run / STATE_FOLDER).iterdir():
        outdated = other.name.startswith("best-") and other.name != best
        if other != folder and (outdated or other.name.startswith(("step-", ".writing-", ".replaced-"))):
            shutil.rmtree(other, ignore_errors=True) if other.is_dir() else other.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Have the disk hold every file of a folder before the rename that makes it count."""
    for file in folder.iterdir():
        with open(file, "rb") as handle:
            os.fsync(handle.fileno())


def newest_state(run: Path) -> Path | None:
    """Return the newest whole state of a run, or None."""
    states = sorted((run / STATE_FOLDER).glob("step-*")) if (run / STATE_FOLDER).is_dir() else []
    return states[-1] if states else None


def read_numbers(state: Path) -> dict[str, Any]:
    """Return the JSON part of a state."""
    return json.loads((state / NUMBERS).read_text(encoding="utf-8"))


def load_optimizer(optimizer: torch.optim.Optimizer, state: Path) -> None:
    """Put an optimizer back exactly as it was, its tensors laid out in memory like their parameters."""
    rest = read_numbers(state)["optimizer"]
    values: dict[int, dict[str, Any]] = {int(index): dict(found) for index, found in rest["state"].items()}
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for name, tensor in load_file(state / OPTIMIZER).items():
        index, key = name.split("/", 1)
        parameter = parameters[int(index)]
        if tensor.ndim == 4 and parameter.is_contiguous(memory_format=torch.channels_last):
            tensor = tensor.contiguous(memory_format=torch.channels_last)
        values.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": values, "param_groups": rest["param_groups"]})


def clear_state(run: Path) -> None:
    """Drop the state of a finished run."""
    shutil.rmtree(run / STATE_FOLDER, ignore_errors=True)
