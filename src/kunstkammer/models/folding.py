"""Folding into the weights what else decides a probability, so that any program that opens the checkpoint agrees.

Luminance: a network that learned from grey pictures becomes one that takes colours and weighs them itself. Temperature:
the output layer is divided by it. Both are checked on random input: a network that they do not fit is refused by name.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from kunstkammer.errors import ModelError
from kunstkammer.models.catalogue import output_layer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from kunstkammer.models.geometry import PictureGeometry

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601, as Pillow's mode "L" weighs red, green and blue."""

_CLOSE = 1e-3


def fold_luminance(model: PreTrainedModel, geometry: PictureGeometry) -> PictureGeometry:
    """Make a network that learned from grey plates take colour plates; return how its pictures are prepared now.

    For a network of one channel the first convolution W becomes (l_r W, l_g W, l_b W) with the luma weights l. For one
    of three channels, which saw the same grey value in each, the sum of W over its channels takes the place of W. The
    normalisation must be the same for all channels: then the value that padding adds, 0, means the same as before.

    Raises `ModelError` for a network whose first layer on the picture is no convolution that this is possible for.
    """
    if not geometry.plate.grey:
        return geometry
    mean, std = geometry.mean, geometry.std
    if len(set(mean)) > 1 or len(set(std)) > 1:
        raise ModelError("A network for grey pictures needs the same mean and deviation for all channels.")
    height, width = geometry.input_size
    generator = torch.Generator().manual_seed(0)
    luma = torch.tensor(LUMA[::-1] if geometry.flip else LUMA)
    colours = torch.randn(2, 3, height, width, generator=generator)
    grey = torch.einsum("nchw,c->nhw", colours, luma).unsqueeze(1).expand(-1, geometry.channels, -1, -1)
    expected = _answer(model, grey.contiguous())
    layer = _first_convolution(model, grey.contiguous())
    with torch.no_grad():
        one = layer.weight.sum(dim=1, keepdim=True)
        folded = one * luma.to(one).view(1, 3, 1, 1)
        layer.weight = nn.Parameter(folded, requires_grad=layer.weight.requires_grad)
    layer.in_channels = 3
    _say_three_channels(model)
    _compare(model, _answer(model, colours), expected, "its first convolution does not see the picture as it is")
    plate = replace(geometry.plate, grey=False)
    return replace(geometry, plate=plate, channels=3, mean=(mean[0],) * 3, std=(std[0],) * 3)


def fold_temperature(model: PreTrainedModel, geometry: PictureGeometry, temperature: float) -> None:
    """Divide the logits of a model by a temperature: its output layers are.

    Raises `ModelError`, and leaves the model as it was, where that does not give the same as dividing.
    """
    shape = (2, geometry.channels, *geometry.input_size)
    pixels = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    before = _answer(model, pixels)
    layers = output_layers(model)
    with torch.no_grad():
        for layer in layers:
            layer.weight.div_(temperature)
            if layer.bias is not None:
                layer.bias.div_(temperature)
    try:
        _compare(model, _answer(model, pixels) * temperature, before, "its logits do not follow its output layer")
    except ModelError:
        with torch.no_grad():
            for layer in layers:
                layer.weight.mul_(temperature)
                if layer.bias is not None:
                    layer.bias.mul_(temperature)
        raise


def for_grey(geometry: PictureGeometry) -> PictureGeometry:
    """Return a geometry for grey plates whose channels are all normalised alike, by the mean of what they were.

    A picture of one value a pixel has one mean; and only so can its luminance be folded into the weights.
    """
    if not geometry.plate.grey:
        return geometry
    mean, std = (sum(values) / len(values) for values in (geometry.mean, geometry.std))
    return replace(geometry, mean=(mean,) * geometry.channels, std=(std,) * geometry.channels)


def output_layers(model: nn.Module) -> list[nn.Linear]:
    """Return the linear layers that give logits: of a scene model one for each branch, of DeiT with a teacher two."""
    named = ("picture_head", "text_head", "fusion_head", "cls_classifier", "distillation_classifier")
    own = [layer for name in named if isinstance(layer := getattr(model, name, None), nn.Linear)]
    return own or [output_layer(model)]


@torch.inference_mode()
def _answer(model: PreTrainedModel, pixels: Tensor) -> Tensor:
    training = model.training
    model.eval()
    try:
        first = next(model.parameters())
        return model(pixel_values=pixels.to(first.device, first.dtype)).logits.float().cpu()
    finally:
        model.train(training)


def _first_convolution(model: PreTrainedModel, pixels: Tensor) -> nn.Conv2d:
    """Return the convolution that a forward pass uses first."""
    seen: list[nn.Conv2d] = []

    def note(layer: nn.Module, *_: object) -> None:
        seen.append(layer)  # type: ignore[arg-type]

    handles = [layer.register_forward_pre_hook(note) for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    try:
        _answer(model, pixels)
    finally:
        for handle in handles:
            handle.remove()
    if not seen or seen[0].groups != 1 or seen[0].in_channels != pixels.shape[1]:
        raise ModelError(
            f"{type(model).__name__} does not begin with a convolution of its {pixels.shape[1]} channels, so that it "
            "cannot learn from grey pictures; set picture.channels to colour."
        )
    return seen[0]


def _say_three_channels(model: PreTrainedModel) -> None:
    """Let the config, and whatever else checks it, say that the network takes three channels."""
    for module in model.modules():
        if isinstance(getattr(module, "num_channels", None), int):
            module.num_channels = 3  # type: ignore[assignment]
        config: Any = getattr(module, "config", None)
        if hasattr(config, "num_channels"):
            config.num_channels = 3
    backbone = getattr(model.config, "backbone", None)
    if isinstance(backbone, dict):
        backbone["num_channels"] = 3


def _compare(model: PreTrainedModel, found: Tensor, expected: Tensor, why: str) -> None:
    scale = float(expected.abs().max().clamp(min=1))
    if not torch.allclose(found, expected, rtol=0, atol=_CLOSE * scale):
        raise ModelError(f"{type(model).__name__} cannot be written so that other programs agree: {why}.")
