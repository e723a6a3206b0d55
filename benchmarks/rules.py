"""Guided backpropagation and LRP against Captum, on the same network in the same run."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.contest import Found, Options, Skipped, Target, compare, contest, processor_seconds
from benchmarks.patterns import VGG16
from kunstkammer.explanation import explain

JOB = "rules"
NAME = "VGG-16"
SIDE, PICTURES = 224, 2
AT_MOST = Target("ratio", "<=", 1.1)
"""No slower, a tenth for the noise: guided backpropagation is one gradient for both."""
METHODS = {
    "guided-backprop": ("GuidedBackprop", {}),
    "lrp-epsilon": ("EpsilonRule", {"epsilon": 1e-9}),
    "lrp-gamma": ("GammaRule", {"gamma": 0.25}),
    "lrp-alpha-beta": ("Alpha1_Beta0_Rule", {"alpha": 1, "beta": 0, "bias": False}),
}
"""Ours -> Captum's class, our options that make it the same rule."""


def measure(options: Options) -> Iterator[Found]:
    """Time each method and Captum's on the shapes of VGG-16, random weights, one thread; say how alike the maps are."""
    try:
        import captum.attr
    except ImportError:
        yield Skipped(JOB, NAME, "Captum is not installed (extra dev)")
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        torch.manual_seed(0)
        model = Vgg16().eval()
        # Not negative, as Captum's gamma and alpha-beta rules take for granted.
        pixels = torch.rand(options.pictures or PICTURES, 3, SIDE, SIDE)
        with torch.no_grad():
            target = int(model(pixels).mean(0).argmax())
        for method, (theirs, settings) in METHODS.items():
            ours = functools.partial(explain, model, pixels, target, method, **settings)
            peer = functools.partial(_captum, captum.attr, theirs, model, pixels, target)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = contest(_contestants(method, ours, peer, len(pixels)), options.rounds(3))
                note = f"processor time; the maps correlate by {_likeness(ours(), peer()):.4f}"
            both: dict[str, Any] = {"ours": method, "peer": f"Captum's {theirs}", "target": AT_MOST, "note": note}
            yield compare(JOB, f"{NAME}, {method}", "s/picture", found, **both)
    finally:
        torch.set_num_threads(threads)


class Vgg16(nn.Module):
    """The shapes of VGG-16 as Captum's LRP wants them: every rectifier a module of its own, no Flatten."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in VGG16:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()] if width else [nn.MaxPool2d(2)]
            channels = width or channels
        self.features = nn.Sequential(*layers)
        dense = [nn.Linear(512 * 49, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000)]
        self.head = nn.Sequential(*dense)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):  # Captum's gamma rule leaves them out of what it divides by
                nn.init.zeros_(parameter)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the logits (N, 1000)."""
        logits: Tensor = self.head(self.features(pixels).reshape(len(pixels), -1))
        return logits


def _captum(attr: Any, name: str, model: Vgg16, pixels: Tensor, target: int) -> Tensor:
    if name == "GuidedBackprop":
        maps: Tensor = attr.GuidedBackprop(model).attribute(pixels.clone().requires_grad_(), target=target)
        return maps
    from captum.attr._utils import lrp_rules

    settings: dict[str, Any] = {"EpsilonRule": {"epsilon": 1e-9}, "GammaRule": {"gamma": 0.25}}.get(name, {})
    if name != "EpsilonRule":
        settings["set_bias_to_zero"] = True
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.rule = getattr(lrp_rules, name)(**settings)
    found: Tensor = attr.LRP(model).attribute(pixels.clone(), target=target)
    return found.detach()


def _contestants(
    method: str, ours: Callable[[], Tensor], peer: Callable[[], Tensor], pictures: int
) -> dict[str, Callable[[], dict[str, float]]]:
    theirs = f"Captum's {METHODS[method][0]}"

    def timed(name: str, work: Callable[[], Tensor]) -> Callable[[], dict[str, float]]:
        work()
        return lambda: {name: processor_seconds(work) / pictures}

    return {method: timed(method, ours), theirs: timed(theirs, peer)}


def _likeness(one: Tensor, other: Tensor) -> float:
    """Return the correlation of two sets of maps, picture by picture, the least of them."""
    pairs = zip(one.flatten(1), other.detach().flatten(1), strict=True)
    return min(abs(float(torch.corrcoef(torch.stack(pair))[0, 1])) for pair in pairs)
