"""DualEncoder: a picture network and a text tower that share one space, as an ordinary `transformers` model.

Each tower ends in a linear layer into the common space, and its vectors have length 1; how alike a picture and a text
are is their scalar product (Radford et al. 2021, "Learning Transferable Visual Models From Natural Language
Supervision", section 2.3). The text tower reads vectors that the checkpoint's own text features make of a text.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForImageClassification, PreTrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from kunstkammer.errors import ModelError
from kunstkammer.models.environment import quiet_transformers
from kunstkammer.models.scene import PASSING, take_off_head
from kunstkammer.models.weights import require_weights

MOST_SCALE = math.log(100)


class DualConfig(PreTrainedConfig):
    """Configuration of `DualEncoder`.

    Args:
        backbone: the config of the picture network, an image classifier of `transformers`, with its `model_type`.
        text_width: width of the text vector that it is given.
        text_hidden: width of the text tower's hidden layer.
        width: numbers of the common space.
        initial_temperature: temperature at the start of training.
        image_size, num_channels: as in `backbone`.
    """

    model_type = "kunstkammer-dual"

    backbone: dict[str, Any] | None = None
    text_width: int = 4096
    text_hidden: int = 256
    width: int = 128
    initial_temperature: float = 0.07
    image_size: int | None = None
    num_channels: int = 3

    def picture_config(self) -> PreTrainedConfig:
        """Return the config of the picture network."""
        from kunstkammer.models.sketchnet import SketchNetConfig

        settings = dict(self.backbone or {"model_type": SketchNetConfig.model_type, "num_channels": 3})
        settings |= {"num_labels": 2, "problem_type": "multi_label_classification"}  # an output a label, taken off
        return AutoConfig.for_model(settings.pop("model_type"), **settings)


@dataclass
class DualOutput(ModelOutput):
    """What `DualEncoder` returns.

    Attributes:
        picture_embeds: float (N, width), length 1; None where no picture was given.
        text_embeds: float (M, width), length 1; None where no text was given.
        logits_per_image: (N, M), the scaled similarity plus the bias, where both were given.
    """

    picture_embeds: Tensor | None = None
    text_embeds: Tensor | None = None
    logits_per_image: Tensor | None = None


class DualEncoder(PreTrainedModel):
    """Two towers and their common space; see the module's description."""

    config_class = DualConfig
    config: DualConfig
    base_model_prefix = "backbone"
    main_input_name = "pixel_values"

    def __init__(self, config: DualConfig) -> None:
        super().__init__(config)
        self.backbone = AutoModelForImageClassification.from_config(config.picture_config())
        features = take_off_head(self.backbone, 2)
        self.picture_projection = nn.Sequential(nn.LayerNorm(features), nn.Linear(features, config.width))
        self.text_tower = nn.Sequential(
            nn.Linear(config.text_width, config.text_hidden),
            nn.GELU(),
            nn.LayerNorm(config.text_hidden),
            nn.Linear(config.text_hidden, config.width),
        )
        self.logit_scale = nn.Parameter(torch.tensor(-math.log(config.initial_temperature)))
        self.logit_bias = nn.Parameter(torch.tensor(0.0))
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)

    def embed_pictures(self, pixel_values: Tensor) -> Tensor:
        """Return float (N, width) of length 1 for pictures (N, C, H, W), normalised as the checkpoint says."""
        features = self.backbone(pixel_values=pixel_values).logits
        return nn.functional.normalize(self.picture_projection(features).float(), dim=1)

    def embed_texts(self, text_features: Tensor) -> Tensor:
        """Return float (M, width) of length 1 for text vectors (M, text_width). Raises `ModelError` for others."""
        if text_features.ndim != 2 or text_features.shape[1] != self.config.text_width:
            raise ModelError(
                f"The text vectors have the shape {tuple(text_features.shape)}, not (M, {self.config.text_width}): "
                "make them by this model's own text features (text.json)."
            )
        return nn.functional.normalize(self.text_tower(text_features).float(), dim=1)

    def forward(self, pixel_values: Tensor | None = None, text_features: Tensor | None = None, **_: Any) -> DualOutput:
        """Return the vectors of what is given, and how alike all pairs are where both are."""
        if self.training:  # at most 100, as CLIP has it: larger scales make the training unstable
            with torch.no_grad():
                self.logit_scale.clamp_(max=MOST_SCALE)
        pictures = None if pixel_values is None else self.embed_pictures(pixel_values)
        texts = None if text_features is None else self.embed_texts(text_features)
        logits = None
        if pictures is not None and texts is not None:
            logits = self.logit_scale.exp() * pictures @ texts.T + self.logit_bias
        return DualOutput(picture_embeds=pictures, text_embeds=texts, logits_per_image=logits)


def dual_around(backbone: PreTrainedModel, **settings: Any) -> DualEncoder:
    """Return a DualEncoder around a picture network's weights; its own output layer is left behind.

    settings: the other settings of `DualConfig`. Raises `ModelError` for a network whose features cannot be read.
    """
    inner = {key: value for key, value in backbone.config.to_dict().items() if key not in PASSING}
    inner["model_type"] = backbone.config.model_type
    shape = {
        key: getattr(backbone.config, key) for key in ("image_size", "num_channels") if hasattr(backbone.config, key)
    }
    dual = DualEncoder(DualConfig(backbone=inner, **shape, **settings))
    own = dual.backbone.state_dict()
    fitting = {k: v for k, v in backbone.state_dict().items() if k in own and own[k].shape == v.shape}
    dual.backbone.load_state_dict(fitting, strict=False)
    missing = set(own) - set(fitting)
    if missing:
        raise ModelError(f"{type(backbone).__name__} cannot lend its weights: {sorted(missing)[0]} does not fit.")
    return dual


def open_dual(run: str | Path) -> DualEncoder:
    """Open a run of pictures and captions for answering. Raises `ModelError` where there is none, or it is damaged."""
    from kunstkammer.models.folders import refuse_pickles

    folder = Path(run)
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} has no config.json, so it is not a checkpoint; name the folder of a finished run.")
    refuse_pickles(folder)
    try:
        with quiet_transformers():
            model, told = DualEncoder.from_pretrained(folder, use_safetensors=True, output_loading_info=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"Cannot open {folder}: {' '.join(str(error).split())[:200]}") from error
    except SafetensorError as error:
        raise ModelError(f"The weights of {folder} are damaged ({error}); copy the checkpoint again.") from error
    require_weights(str(folder), type(model).__name__, told["missing_keys"], "copy the checkpoint again")
    return model.eval()


AutoConfig.register(DualConfig.model_type, DualConfig, exist_ok=True)
AutoModel.register(DualConfig, DualEncoder, exist_ok=True)
