"""On which device networks run: one function decides, for training and for every answer."""

from __future__ import annotations

import os

import torch

from kunstkammer.errors import ModelError, guess

DEVICES = ("auto", "cpu", "cuda", "mps")
VARIABLE = "KUNSTKAMMER_DEVICE"
"""Its value counts where no device is named."""


def devices_here() -> list[str]:
    """Return the devices that this machine has, the processor first."""
    return ["cpu", *["cuda"] * torch.cuda.is_available(), *["mps"] * torch.backends.mps.is_available()]


def choose_device(device: str | None = None) -> torch.device:
    """Return the device that networks run on.

    Args:
        device: "auto", "cpu", "cuda" or "mps"; None for what the environment variable KUNSTKAMMER_DEVICE names, "auto"
            where it is not set. "auto" takes the first CUDA device where there is one, else the processor. It never
            takes "mps" by itself: that has no float64, which some explainers and measurements need.

    Raises `ModelError` with the nearest guess for any other name, and with what is there for a device that is not.
    """
    named = device if device is not None else os.environ.get(VARIABLE) or "auto"
    said = f"device '{named}'" + ("" if device is not None else f" (from {VARIABLE})")
    here = devices_here()
    there = f"This machine has: {', '.join(here)}; or say auto."
    if named not in DEVICES:
        raise ModelError(f"There is no {said}.{guess(named, DEVICES)} {there}")
    if named == "auto":
        named = "cuda" if "cuda" in here else "cpu"
    if named not in here:
        raise ModelError(f"The {said} is not there. {there}")
    return torch.device("cuda", 0) if named == "cuda" else torch.device(named)


def answer_exactly(device: torch.device) -> None:
    """Have a device compute answers in whole float32, as the processor does.

    Convolutions on CUDA round to 10 bits of mantissa by default (TF32), and one run has one answer on every device.
    """
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
