"""Parts that the networks of the catalogue do not have: all are gone through, and nothing is lost on the way."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kunstkammer.explanation import explain


class Dense(nn.Module):
    """Blocks that begin with batch norm, their outputs laid beside their inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(16, 3)
        widths = (8, 12)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.Conv2d(width, 4, 3)) for width in widths
        )

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.first(pixels)
        for block in self.blocks:
            x = torch.cat([x[..., 1:-1, 1:-1], block(x)], 1)
        return self.head(F.adaptive_max_pool2d(F.relu(x, inplace=True), 1).flatten(1))


class Norms(nn.Module):
    """Group, instance and RMS norm, learnt slopes, squares."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.group, self.instance = (
            nn.Conv2d(3, 8, 3),
            nn.GroupNorm(2, 8),
            nn.InstanceNorm2d(8, affine=True),
        )
        self.slopes, self.rms, self.head = nn.PReLU(), nn.RMSNorm(8), nn.Linear(8, 3)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.instance(F.mish(self.group(self.first(pixels))))
        return self.head(self.rms(self.slopes(x).square().mean((2, 3))))


class Upwards(nn.Module):
    """Reflected borders, transposed convolution with batch norm, interpolation, einsum, weights made from others."""

    def __init__(self) -> None:
        super().__init__()
        first = nn.Conv2d(3, 8, 3, stride=2, padding=1, padding_mode="reflect")
        self.first = nn.utils.parametrizations.weight_norm(first)
        self.up, self.norm = nn.ConvTranspose2d(8, 4, 4, 2, 1, groups=2), nn.BatchNorm2d(4)
        self.head = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3))

    def forward(self, pixels: Tensor) -> Tensor:
        x = F.hardswish(self.norm(self.up(self.first(pixels))))
        return self.head(torch.einsum("nchw->nc", F.interpolate(x, scale_factor=2, mode="bilinear")))


NETWORKS = {"dense": Dense, "norms": Norms, "upwards": Upwards}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    "method", ["lrp-z", "lrp-gamma", "lrp-alpha-beta", "lrp-flat", "lrp-z-box", "deep-taylor", "guided-backprop"]
)
def test_gone_through(method: str, name: str) -> None:
    torch.manual_seed(0)
    model = NETWORKS[name]().double().eval()
    pixels = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1)).double()
    logits = model(pixels).detach()
    target = int(logits.min(dim=0).values.argmax())
    relevance = explain(model, pixels, target, method)
    assert relevance.shape == pixels.shape
    assert bool(relevance.isfinite().all())
    assert bool(relevance.any())
    if method == "lrp-flat":
        torch.testing.assert_close(relevance.sum((1, 2, 3)), logits[:, target], rtol=1e-6, atol=1e-9)
    if method == "deep-taylor":
        assert bool((relevance >= 0).all())
