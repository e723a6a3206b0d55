"""PatternNet and PatternAttribution against one gradient, and fitting patterns against the forward passes it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.contest import Contestant, Found, Options, Target, compare, contest, processor_seconds, quietly
from kunstkammer.explanation import PatternStatistics, explain, fit_patterns

JOB = "patterns"
SIDE, PICTURES, FITTED = 224, 4, 16
GRADIENT, FORWARD = "one gradient", "the forward passes alone"
EXPLAINED, FITTING = Target("ratio", "<=", 1.3), Target("ratio", "<=", 3.0)
VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
"""Widths of its convolutions; 0 is a pooling."""


def measure(options: Options) -> Iterator[Found]:
    """Time both methods and the fit on the shapes of VGG-16 and ResNet-18, with random weights, one thread."""
    pictures, fitted = options.pictures or PICTURES, options.pictures or FITTED
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for name, make in {"VGG-16": vgg16, "ResNet-18": resnet18}.items():
            torch.manual_seed(0)
            model = make()
            yield from _explaining(name, model, torch.randn(pictures, 3, SIDE, SIDE), options.rounds(5))
            yield from _fitting(name, model, torch.randn(fitted, 3, SIDE, SIDE), options.rounds(3))
    finally:
        torch.set_num_threads(threads)


def vgg16() -> nn.Module:
    """Return the shapes of VGG-16 (configuration D of Simonyan and Zisserman 2015), random weights."""
    layers: list[nn.Module] = []
    channels = 3
    for width in VGG16:
        if width:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
        else:
            layers.append(nn.MaxPool2d(2))
    dense = [nn.Linear(512 * 49, 4096), nn.ReLU(inplace=True), nn.Linear(4096, 4096), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Flatten(), *dense, nn.Linear(4096, 1000)).eval()


def resnet18() -> nn.Module:
    """Return the shapes of ResNet-18, random weights."""
    from transformers import ResNetConfig, ResNetForImageClassification

    shape = {"layer_type": "basic", "depths": [2, 2, 2, 2], "hidden_sizes": [64, 128, 256, 512], "num_labels": 1000}
    return ResNetForImageClassification(ResNetConfig(**shape)).eval()


def _explaining(name: str, model: nn.Module, pixels: Tensor, rounds: int) -> Iterator[Found]:
    patterns = fit_patterns(model, [pixels[:2]], show_progress=False)
    jobs: dict[str, Callable[[], object]] = {GRADIENT: partial(explain, model, pixels, 0, "gradient")}
    for method in ("pattern-net", "pattern-attribution"):
        # Random weights let raw values overflow; the norm of each layer is work on top of the method's own.
        options = {"patterns": patterns, "normalise": "layer"}
        jobs[method] = partial(explain, model, pixels, 0, method, **options)
    found = contest({key: _timed(key, job, len(pixels)) for key, job in jobs.items()}, rounds)
    for method in ("pattern-net", "pattern-attribution"):
        note = "processor time, normalise='layer'; the kernels are made in the first call"
        both = {"ours": method, "peer": GRADIENT, "target": EXPLAINED, "note": note}
        yield compare(JOB, f"{name}, {method}", "s/picture", found, **both)


def _fitting(name: str, model: nn.Module, pixels: Tensor, rounds: int) -> Iterator[Found]:
    statistics = PatternStatistics.of(model)

    def forward() -> None:
        with torch.inference_mode():
            model(pixels)

    fitting = "fitting patterns"
    jobs: dict[str, Callable[[], object]] = {FORWARD: forward, fitting: lambda: statistics.add(model, pixels)}
    found = contest({key: _timed(key, job, len(pixels)) for key, job in jobs.items()}, rounds)
    both = {"ours": fitting, "peer": FORWARD, "target": FITTING, "note": f"processor time, batches of {len(pixels)}"}
    yield compare(JOB, f"{name}, {fitting}", "s/picture", found, **both)


def _timed(name: str, work: Callable[[], object], pictures: int) -> Contestant:
    with quietly():
        work()

    return lambda: {name: processor_seconds(work) / pictures}
