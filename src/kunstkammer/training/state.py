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
from kunstkammer.files import atomic_folder
from kunstkammer.models.weights import write_tensors

STATE_FOLDER = "state"
WEIGHTS = "model.safetensors"
BEST = "best.safetensors"
OPTIMIZER = "optimizer.safetensors"
NUMBERS = "state.json"


def copy_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of a model's weights and buffers, on the CPU."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in _tensors(model).items()}


def put_weights(model: nn.Module, weights: dict[str, Tensor], name: str) -> None:
    """Put weights back into a model exactly, keeping its memory format; `name` is what an error calls them."""
    missing, unexpected = model.load_state_dict(weights, strict=False)
    absent = sorted(set(missing) & set(_tensors(model)))
    if absent or unexpected:
        raise ModelError(f"{name} belongs to another network: {(absent + list(unexpected))[0]} does not match.")


def read_weights(state: Path, name: str = WEIGHTS) -> dict[str, Tensor]:
    """Return the weights that a state keeps: of its step, or of the best epoch so far (`BEST`)."""
    return load_file(state / name)


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
    run: Path,
    step: int,
    model: nn.Module,
    optimizer: Any,
    best: dict[str, Tensor] | None,
    numbers: dict[str, Any],
    texts: dict[str, str],
) -> None:
    """Keep the state after `step`; older ones are dropped once it stands.

    Args:
        run: the run folder.
        step: how many steps were taken.
        model, optimizer: as they are after the step.
        best: the weights of the best epoch so far, None before the first.
        numbers: what else a resume needs, as JSON.
        texts: further files, name -> content.
    """
    folder = run / STATE_FOLDER / f"step-{step:09d}"
    tensors, rest = _split_optimizer(optimizer)
    with atomic_folder(folder) as partial:
        write_tensors(_tensors(model), partial / WEIGHTS)
        write_tensors(tensors, partial / OPTIMIZER)
        if best is not None:
            write_tensors(best, partial / BEST)
        text = json.dumps({**numbers, "step": step, "optimizer": rest})
        for name, content in {NUMBERS: text, **texts}.items():
            (partial / name).write_text(content, encoding="utf-8")
        _sync(partial)
    for other in (run / STATE_FOLDER).iterdir():
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)


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
