"""MixStyle: a picture keeps what it shows and takes over, in part, how another one looks.

Zhou, Yang, Qiao & Xiang 2021, "Domain generalization with MixStyle", section 3: the mean and the deviation of each
channel of an early feature map are style; they are mixed with those of another picture. Here the other picture is one
of the batch, or one of a second domain whose labels nobody needs to know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from kunstkammer.errors import RecipeError

if TYPE_CHECKING:
    from kunstkammer.training.recipe_kinds import StyleMixingSettings

MOST_PLACES = 2
"""Statistics are mixed after the first two stages; later ones hold what a picture shows (section 4.3 there)."""


def mixing_places(model: nn.Module, pixel_values: Tensor) -> list[str]:
    """Return the names of the modules after which styles are mixed, nearest to the picture first.

    They are members of the outermost lists of modules (stages, blocks, layers) that give maps (N, C, H, W): of each
    size of map the last one, but not of the smallest size.

    Raises `RecipeError` for a network without such maps.
    """
    names = dict(model.named_modules())
    lists = [name for name, module in names.items() if isinstance(module, nn.ModuleList | nn.Sequential)]
    outermost = [name for name in lists if not any(name.startswith(f"{other}.") for other in lists if other)]
    members = [f"{name}.{child}" for name in outermost for child, _ in names[name].named_children()]
    sizes: dict[str, int] = {}

    def note(name: str) -> Any:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.ndim == 4:
                sizes[name] = output.shape[-1] * output.shape[-2]

        return hook

    handles = [names[name].register_forward_hook(note(name)) for name in members]
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            model(pixel_values=pixel_values)
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    last = {size: name for name, size in sizes.items()}
    found = [last[size] for size in sorted(last, reverse=True)][:-1][:MOST_PLACES]
    if not found:
        raise RecipeError(
            f"learning.style_mixing needs a network with feature maps in stages; {type(model).__name__} has none. "
            "Leave it out, or name a convolutional network as model.name."
        )
    return found


class StyleMixer:
    """Forward passes of a network in which styles are mixed.

    Args:
        model: the network; hooks stay on it until `remove`.
        settings: how often and how strongly.
        pixel_values: one or more prepared pictures, to find where to mix.
    """

    def __init__(self, model: nn.Module, settings: StyleMixingSettings, pixel_values: Tensor) -> None:
        self.settings = settings
        self.places = mixing_places(model, pixel_values)
        self._own: int | None = None
        modules = dict(model.named_modules())
        self._handles = [
            modules[name].register_forward_hook(self._hook(name == self.places[-1])) for name in self.places
        ]

    def __call__(self, model: nn.Module, pixel_values: Tensor, others: Tensor | None = None, **extras: Tensor) -> Any:
        """Return the model's output for `pixel_values`, in training with mixed styles in a share of the batches.

        `others` (M, C, H, W) are pictures of another domain: they pass the first stages with the others, give their
        style, and leave. Without them styles are exchanged within the batch. Random numbers are torch's own. `extras`
        are what the model takes beside the pixels.
        """
        chosen = float(torch.rand(())) < self.settings.probability
        if not model.training or not chosen:
            return model(pixel_values=pixel_values, **extras)
        self._own = len(pixel_values)
        try:
            together = pixel_values if others is None else torch.cat([pixel_values, others])
            return model(pixel_values=together.contiguous(memory_format=torch.channels_last), **extras)
        finally:
            self._own = None

    def remove(self) -> None:
        """Take the hooks off the network."""
        for handle in self._handles:
            handle.remove()

    def _hook(self, is_last: bool) -> Any:
        def hook(_: nn.Module, __: Any, output: Tensor) -> Tensor | None:
            if self._own is None:
                return None
            own, others = output[: self._own], output[self._own :]
            mixed = mix_styles(own, others if len(others) else own, self.settings.alpha)
            if is_last or not len(others):
                return mixed
            return torch.cat([mixed, others])

        return hook


def mix_styles(maps: Tensor, others: Tensor, alpha: float) -> Tensor:
    """Return `maps` (N, C, H, W) with the mean and deviation of each channel mixed with those of random `others`.

    The weight of a picture's own style is drawn from Beta(alpha, alpha); no gradient flows through the statistics
    (section 3.2).
    """
    values = maps.float()
    mean, spread = _style(values)
    chosen = torch.randperm(len(others)) if len(others) == len(maps) else torch.randint(len(others), (len(maps),))
    other_mean, other_spread = _style(others[chosen].float())
    weight = torch.distributions.Beta(alpha, alpha).sample((len(maps), 1, 1, 1)).to(maps.device)
    new_mean = weight * mean + (1 - weight) * other_mean
    new_spread = weight * spread + (1 - weight) * other_spread
    return ((values - mean) / spread * new_spread + new_mean).to(maps.dtype)


def _style(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of each channel, (N, C, 1, 1), without gradient."""
    values = values.detach()
    mean = values.mean(dim=(2, 3), keepdim=True)
    return mean, (values.var(dim=(2, 3), keepdim=True, unbiased=False) + 1e-6).sqrt()
