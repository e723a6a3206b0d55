"""Small networks whose evidence is known, and tiny transformers models built from their configuration, offline."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
import transformers as hf
from torch import Tensor, nn
from torch.nn import functional as F

LABELS = {"num_labels": 5}


def square_detector(dtype: torch.dtype = torch.float32) -> nn.Sequential:
    """Class 1 is a bright 12 x 12 square, class 0 a dark one: box filters at two scales, no training."""
    net = nn.Sequential(
        nn.Conv2d(1, 2, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(4),
        nn.Conv2d(2, 2, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
    )
    with torch.no_grad():
        for layer, kernel in ((net[0], torch.full((5, 5), 1 / 25)), (net[3], torch.full((3, 3), 1 / 9))):
            layer.weight.zero_()
            layer.bias.zero_()
            for channel, sign in ((0, -1.0), (1, 1.0)):
                source = 0 if layer is net[0] else channel
                layer.weight[channel, source] = kernel * (sign if layer is net[0] else 1.0)
    return net.to(dtype)


def squares(places: list[tuple[int, int]], value: float = 1.0, side: int = 64) -> Tensor:
    """Pictures of mid grey (0) with one 12 x 12 square each, its upper left corner at (row, column)."""
    pixels = torch.zeros(len(places), 1, side, side)
    for picture, (row, column) in zip(pixels, places, strict=True):
        picture[:, row : row + 12, column : column + 12] = value
    return pixels


class Reused(nn.Module):
    """One ReLU used three times, in place, and one convolution used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.shared = nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.stem(x))
        x = self.relu(self.shared(x))
        x = self.relu(self.shared(x))
        return self.head(self.relu(x.mean(dim=(2, 3))))


class Branches(nn.Module):
    """A block with a residual join and two parallel branches, joined outside of any module inside it."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + torch.cat([self.left(x)[:, :2], self.right(x)[:, 2:]], dim=1))


def branched() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1),
        Branches(),
        Branches(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )


def vgg() -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in ((3, 4), (4, 8), (8, 8)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
    return nn.Sequential(nn.Sequential(*layers), nn.Sequential(nn.Flatten(), nn.Linear(8 * 8 * 8, 3)))


def resnet(layer_type: str, first: bool) -> nn.Module:
    sizes = {"embedding_size": 8, "hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 2]}
    config = hf.ResNetConfig(layer_type=layer_type, downsample_in_first_stage=first, **sizes, **LABELS)
    return hf.ResNetForImageClassification(config)


SIZES = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
TOKENS = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 64, "patch_size": 8}
SWIN = {"embed_dim": 8, "depths": [1, 1, 1], "num_heads": [1, 2, 4], "image_size": 64, "patch_size": 4}

# name -> (builder, input side, the layer to be found, its grid)
NETWORKS: dict[str, tuple[Callable[[], nn.Module], int, str, tuple[int, int]]] = {
    "vgg": (vgg, 64, "0", (8, 8)),
    "branched": (branched, 32, "2", (16, 16)),
    "reused": (Reused, 32, "relu", (16, 16)),
    "resnet-basic": (lambda: resnet("basic", False), 128, "resnet.encoder.stages.3", (4, 4)),
    "resnet-bottleneck": (lambda: resnet("bottleneck", False), 128, "resnet.encoder.stages.3", (4, 4)),
    "resnet-early": (lambda: resnet("bottleneck", True), 128, "resnet.encoder.stages.2", (4, 4)),
    "mobilenet-v1": (
        lambda: hf.MobileNetV1ForImageClassification(hf.MobileNetV1Config(depth_multiplier=0.25, **LABELS)),
        128,
        "mobilenet_v1.layer.25",
        (4, 4),
    ),
    "mobilenet-v2": (
        lambda: hf.MobileNetV2ForImageClassification(hf.MobileNetV2Config(depth_multiplier=0.25, **LABELS)),
        128,
        "mobilenet_v2.conv_1x1",
        (4, 4),
    ),
    "convnext": (
        lambda: hf.ConvNextForImageClassification(hf.ConvNextConfig(**SIZES, **LABELS)),
        128,
        "convnext.encoder.stages.3",
        (4, 4),
    ),
    "convnext-v2": (
        lambda: hf.ConvNextV2ForImageClassification(hf.ConvNextV2Config(**SIZES, **LABELS)),
        128,
        "convnextv2.encoder.stages.3",
        (4, 4),
    ),
    "regnet": (
        lambda: hf.RegNetForImageClassification(hf.RegNetConfig(embedding_size=8, groups_width=8, **SIZES, **LABELS)),
        128,
        "regnet.encoder.stages.3",
        (4, 4),
    ),
    "efficientnet": (
        lambda: hf.EfficientNetForImageClassification(
            hf.EfficientNetConfig(width_coefficient=0.25, depth_coefficient=0.25, hidden_dim=320, **LABELS)
        ),
        128,
        "efficientnet.encoder.top_activation",
        (4, 4),
    ),
    "poolformer": (
        lambda: hf.PoolFormerForImageClassification(hf.PoolFormerConfig(**SIZES, **LABELS)),
        128,
        "norm",
        (4, 4),
    ),
    "vit": (lambda: hf.ViTForImageClassification(hf.ViTConfig(**TOKENS, **LABELS)), 64, "vit.layers.1", (8, 8)),
    "deit": (
        lambda: hf.DeiTForImageClassificationWithTeacher(hf.DeiTConfig(**TOKENS, **LABELS)),
        64,
        "deit.layers.1",
        (8, 8),
    ),
    "dinov2-with-registers": (
        lambda: hf.Dinov2WithRegistersForImageClassification(hf.Dinov2WithRegistersConfig(**TOKENS, **LABELS)),
        64,
        "dinov2_with_registers.layernorm",
        (8, 8),
    ),
    "swin": (
        lambda: hf.SwinForImageClassification(hf.SwinConfig(window_size=4, **SWIN, **LABELS)),
        64,
        "swin.layernorm",
        (4, 4),
    ),
    "swin-v2": (
        lambda: hf.Swinv2ForImageClassification(hf.Swinv2Config(window_size=4, **SWIN, **LABELS)),
        64,
        "swinv2.layernorm",
        (4, 4),
    ),
}


@cache
def build(name: str) -> tuple[nn.Module, Tensor]:
    """Return the network with seeded weights, in evaluation mode, and two pictures; do not change them."""
    make, side, _, _ = NETWORKS[name]
    torch.manual_seed(0)
    model = make().eval()
    for module in model.modules():
        # The narrow weights that most start with let nothing of the pixels through an untrained network.
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
    return model, torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
