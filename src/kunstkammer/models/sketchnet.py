"""SketchNet: the small grey network of the anime-or-cartoon page, as an ordinary `transformers` model.

Four stages of 3 x 3 convolutions, each convolution followed by a 2 x 2 max-pooling and ReLU, a batch normalisation
after the first stage, one dense layer and one sigmoid. At 120 px grey it has 699,305 trainable parameters.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForImageClassification,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import ImageClassifierOutput

from kunstkammer.errors import ModelError

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601), the same that Pillow's mode "L" uses."""


class SketchNetConfig(PreTrainedConfig):
    """Configuration of `SketchNet`.

    Args:
        stages: the widths of the convolutions, one list a stage.
        batch_norm: the stages (counted from 0) that end in a batch normalisation over channels.
        batch_norm_momentum: weight of the newest batch in the running statistics (Keras' 0.99 is 0.01 here).
        dense: width of the dense layer before the output.
        dropout: probability with which a value before the output layer is dropped in training, 0 to 1.
        l2: factor of the squared weights of all kernels, added to the loss in training (Keras' kernel regulariser).
        image_size: side of the square input in pixels.
        num_channels: 1 for grey, 3 for colour. A grey network given colour takes its luma.
    """

    model_type = "kunstkammer-sketchnet"

    stages: list[list[int]] | None = None
    batch_norm: list[int] | None = None
    batch_norm_momentum: float = 0.1
    dense: int = 1028
    dropout: float = 0.0
    l2: float = 0.0
    image_size: int = 120
    num_channels: int = 1

    def __post_init__(self, **kwargs: Any) -> None:
        self.stages = [[32, 32], [64, 64], [128], [256]] if self.stages is None else [list(s) for s in self.stages]
        self.batch_norm = [0] if self.batch_norm is None else list(self.batch_norm)
        super().__post_init__(**kwargs)


def _features(config: SketchNetConfig) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = config.num_channels
    for stage, widths in enumerate(config.stages or []):
        for width in widths:
            # Pooling before ReLU changes no value (both are monotone) and leaves ReLU a quarter of the work.
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()]
            channels = width
        if stage in (config.batch_norm or []):
            layers.append(nn.BatchNorm2d(channels, eps=1e-3, momentum=config.batch_norm_momentum))
    return nn.Sequential(*layers)


class SketchNet(PreTrainedModel):
    """The network of system C; see the module's description.

    With two labels, one a picture, it has a single output unit z, the published sigmoid: the logits it returns are
    (-z/2, z/2), so that their softmax is (1 - sigmoid(z), sigmoid(z)) and what expects a logit a label works.
    With more labels, or several labels a picture, there is one unit a label.
    """

    config_class = SketchNetConfig
    config: SketchNetConfig
    base_model_prefix = "sketchnet"
    main_input_name = "pixel_values"

    def __init__(self, config: SketchNetConfig) -> None:
        super().__init__(config)
        convolutions = sum(len(stage) for stage in config.stages or [])
        side = config.image_size >> convolutions
        if side < 1:
            raise ModelError(
                f"SketchNet with {convolutions} convolutions halves the picture {convolutions} times: image_size "
                f"{config.image_size} is too small; use at least {1 << convolutions} or fewer stages."
            )
        self.single_unit = config.num_labels == 2 and config.problem_type != "multi_label_classification"
        self.features = _features(config)
        width = (config.stages or [[config.num_channels]])[-1][-1]
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(width * side * side, config.dense),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.dense, 1 if self.single_unit else config.num_labels),
        )
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        # Glorot uniform with zero bias, the default of the library in which the network was first built.
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)

    def forward(self, pixel_values: Tensor, labels: Tensor | None = None, **_: Any) -> ImageClassifierOutput:
        """Return the logits (N, K) for `pixel_values` (N, C, H, W), and the loss where `labels` are given.

        A grey network takes colour too (the luma of the three channels), which is what a processor without a grey
        option hands over; normalisation must then be the same for the three channels, as Kunstkammer saves it.
        """
        if self.config.num_channels == 1 and pixel_values.shape[1] == 3:
            luma = pixel_values.new_tensor(LUMA).view(1, 3, 1, 1)
            pixel_values = (pixel_values * luma).sum(dim=1, keepdim=True)
        logits = self.classifier(self.features(pixel_values))
        if self.single_unit:
            logits = torch.cat([-logits / 2, logits / 2], dim=1)
        loss = None
        if labels is not None:
            if labels.is_floating_point():
                loss = nn.functional.binary_cross_entropy_with_logits(logits.float(), labels)
            else:
                loss = nn.functional.cross_entropy(logits.float(), labels)
            loss = loss + self.regularization_loss()
        return ImageClassifierOutput(loss=loss, logits=logits)

    def regularization_loss(self) -> Tensor:
        """Return l2 times the sum of the squared kernel weights (biases and batch normalisation left alone)."""
        if not self.config.l2:
            return next(self.parameters()).new_zeros(())
        kernels = (m.weight for m in self.modules() if isinstance(m, nn.Conv2d | nn.Linear))
        return self.config.l2 * torch.stack([weight.square().sum() for weight in kernels]).sum()


AutoConfig.register(SketchNetConfig.model_type, SketchNetConfig, exist_ok=True)
AutoModelForImageClassification.register(SketchNetConfig, SketchNet, exist_ok=True)
