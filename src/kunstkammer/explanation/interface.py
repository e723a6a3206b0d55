"""The one interface of all methods of explanation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from kunstkammer import registry
from kunstkammer.errors import ModelError, unknown_name
from kunstkammer.explanation.target import Target, resolve_target
from kunstkammer.explanation.task import Task, borrowed

BATCH_SIZE = 32


def explain(
    model: nn.Module,
    pixels: Tensor,
    target: Target = None,
    method: str = "grad-cam",
    *,
    versus: Target = None,
    batch_size: int = BATCH_SIZE,
    **options: Any,
) -> Tensor:
    """Say which parts of the pictures speak for a class.

    Args:
        model: any module that returns logits (N, K), or a `transformers` classifier. It is run in evaluation mode
            without autocast and left exactly as it was, also after an error.
        pixels: (N, C, H, W), the model's input: normalised floats.
        target: None for the class the model predicts, a class number, a label, or one of these for each picture.
        method: a name of the registry kind "explainers" (`kunstkammer list explainers`).
        versus: explain what speaks for `target` rather than for this class (the difference of the two logits); said
            like `target`. None: for `target` alone.
        batch_size: so many pictures go through the model at once; smaller takes less memory.
        **options: the method's own options, see its description.

    Returns:
        Raw relevance, (N, C, H, W): C as in `pixels`, or 1 where the method knows no channels; H and W as in `pixels`
        unless an option says otherwise. float64 where the model is float64, else float32, on the device of `pixels`.
        Signed where the method is signed: positive speaks for the class.

    Raises:
        UnknownNameError: no such method, option, label or layer; the message has the nearest guess.
        ModelError: the model is no classifier, the class is out of range, the pixels are no model input.

    >>> import torch
    >>> model = torch.nn.Sequential(
    ...     torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    ... )
    >>> explain(model, torch.rand(3, 1, 16, 16)).shape
    torch.Size([3, 1, 16, 16])
    """
    function = registry.get("explainers", method)
    check_options(method, function, options)
    # A compiled model does not call the hooks of the modules inside it; the module that was compiled does.
    model = getattr(model, "_orig_mod", model)
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ModelError(f"batch_size is {batch_size!r}; give a whole number of at least 1.")
    check_pixels(pixels)
    dtype, device = home(model, pixels)
    chosen = resolve_target(model, target, len(pixels))
    other = resolve_target(model, versus, len(pixels))
    memo: dict[str, Any] = {}
    maps = []
    with borrowed(model):
        for start in range(0, len(pixels), batch_size):
            part = slice(start, start + batch_size)
            # A copy of our own: the caller's tensor may ask for gradients, or come from inference mode.
            batch = pixels[part].detach().to(device, dtype, copy=True)
            classes = None if chosen is None else chosen[part].to(device)
            against = None if other is None else other[part].to(device)
            task = Task(model, batch, classes, memo, versus=against, batch_size=batch_size)
            relevance = function(task, **options)
            maps.append(relevance.detach().to(pixels.device, torch.promote_types(dtype, torch.float32)))
    return torch.cat(maps)


def option_names(function: Callable[..., Tensor]) -> dict[str, bool]:
    """Return the options of a method (its keyword-only parameters), each with whether it must be given."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default is p.empty for p in parameters if p.kind is p.KEYWORD_ONLY}


def check_options(method: str, function: Callable[..., Tensor], options: Mapping[str, Any]) -> None:
    """Raise `UnknownNameError` for an option that the method does not have, `ModelError` for one that it lacks."""
    known = option_names(function)
    for name in options:
        if name not in known:
            raise unknown_name(f"option of {method}", name, [*known, "batch_size", "versus"])
    missing = [name for name, needed in known.items() if needed and name not in options]
    if missing:
        raise ModelError(f"The method {method} needs the option '{missing[0]}'.")


def check_pixels(pixels: Tensor) -> None:
    """Raise `ModelError` unless pixels are a batch of a model's input: floats, (N, C, H, W), N > 0."""
    if not isinstance(pixels, Tensor) or pixels.ndim != 4 or not len(pixels):
        what = f"of shape {tuple(pixels.shape)}" if isinstance(pixels, Tensor) else f"a {type(pixels).__name__}"
        raise ModelError(f"Pixels must be a tensor (N, C, H, W) with at least one picture, not {what}.")
    if not pixels.is_floating_point():
        raise ModelError(
            f"Pixels must be the model's input, normalised floats, not {str(pixels.dtype).removeprefix('torch.')}; "
            "prepare them first (Run.prepare)."
        )


def home(model: nn.Module, pixels: Tensor) -> tuple[torch.dtype, torch.device]:
    """Return the type and the place in which the model computes: those of its first floating parameter."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            return tensor.dtype, tensor.device
    return pixels.dtype, pixels.device
