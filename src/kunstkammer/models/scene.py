"""SceneNet: a picture and the text in it, joined late, as an ordinary `transformers` model.

A picture network of any kind gives a vector of features, a linear layer gives one of the text (hashed or weighted
n-grams, or a text encoder's mean); both are normalised, laid side by side and answered from by one linear layer: late
fusion of features (Baltrusaitis et al. 2019, "Multimodal Machine Learning", section 6.1; the setting is that of
EmoRecCom, Nguyen et al. 2021). Each branch also has a linear layer of its own. So what the picture says, what the text
says and what both say can be told apart, and a picture without text is answered by the branch that learnt to do so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForImageClassification, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import ImageClassifierOutput

from kunstkammer.errors import ModelError

PASSING = ("id2label", "label2id", "architectures", "transformers_version", "_name_or_path", "dtype", "torch_dtype")
"""What a picture network's config says that is the scene's own business, or of no use later."""

BRANCHES = {"both": "logits", "picture": "picture_logits", "text": "text_logits"}
"""Who answers -> which field of `SceneOutput` holds the answer."""


class SceneConfig(PreTrainedConfig):
    """Configuration of `SceneNet`.

    Args:
        backbone: the config of the picture network, an image classifier of `transformers`, with its `model_type`.
        text_width: width of the text vector that it is given.
        text_hidden: width of the text branch behind its linear layer.
        dropout: probability with which a value before the joint layer is dropped in training, 0 to 1.
        text_dropout: the same for a value of the text vector, which is wide and easily learnt by heart.
        modality_dropout: probability with which a picture's text is withheld in training.
        auxiliary: weight of the losses of the two branches beside that of their joint answer.
        image_size, num_channels: as in `backbone`.
    """

    model_type = "kunstkammer-scene"

    backbone: dict[str, Any] | None = None
    text_width: int = 4096
    text_hidden: int = 128
    dropout: float = 0.2
    text_dropout: float = 0.3
    modality_dropout: float = 0.2
    auxiliary: float = 0.5
    image_size: int | None = None
    num_channels: int = 3

    def picture_config(self) -> PreTrainedConfig:
        """Return the config of the picture network."""
        from kunstkammer.models.sketchnet import SketchNetConfig  # here: the two modules may call for each other

        settings = dict(self.backbone or {"model_type": SketchNetConfig.model_type, "num_channels": 3})
        # One output a label: where two classes share a unit there is no vector of features to read.
        settings |= {"num_labels": self.num_labels, "problem_type": "multi_label_classification"}
        return AutoConfig.for_model(settings.pop("model_type"), **settings)


@dataclass
class SceneOutput(ImageClassifierOutput):
    """An image classifier's output, and beside its `logits` what each branch says.

    Attributes:
        picture_logits: (N, K), from the picture alone.
        text_logits: (N, K), from the text alone; None where none was given.
        has_text: bool (N,), whether a picture came with text; None where none was given.
    """

    picture_logits: Tensor | None = None
    text_logits: Tensor | None = None
    has_text: Tensor | None = None


class SceneNet(PreTrainedModel):
    """A picture network and a text branch, joined late; see the module's description."""

    config_class = SceneConfig
    config: SceneConfig
    base_model_prefix = "backbone"
    layer_root = "backbone"
    main_input_name = "pixel_values"

    def __init__(self, config: SceneConfig) -> None:
        super().__init__(config)
        self.backbone = AutoModelForImageClassification.from_config(config.picture_config())
        width = take_off_head(self.backbone, config.num_labels)
        self.picture_norm = nn.LayerNorm(width)
        self.picture_head = nn.Linear(width, config.num_labels)
        self.text_branch = nn.Sequential(
            nn.Dropout(config.text_dropout),
            nn.Linear(config.text_width, config.text_hidden),
            nn.GELU(),
            nn.LayerNorm(config.text_hidden),
        )
        self.text_head = nn.Linear(config.text_hidden, config.num_labels)
        self.fusion_dropout = nn.Dropout(config.dropout)
        self.fusion_head = nn.Linear(width + config.text_hidden, config.num_labels)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)

    def forward(
        self, pixel_values: Tensor, text_features: Tensor | None = None, labels: Tensor | None = None, **_: Any
    ) -> SceneOutput:
        """Return the logits (N, K), those of each branch, and the loss where `labels` are given.

        Args:
            pixel_values: float32 (N, C, H, W), normalised as the checkpoint says.
            text_features: float32 (N, text_width); a row of zeros is a picture without text, and so is None for all.
                Such a picture is answered from the picture alone. (In training so is one whose text is withheld.)
            labels: int64 (N,), or float (N, K) where a picture may have several.

        Raises `ModelError` where the text vectors do not fit the pictures or the network.
        """
        picture = self.picture_norm(self.backbone(pixel_values=pixel_values).logits)
        picture_logits = self.picture_head(picture)
        if text_features is None:
            output = SceneOutput(logits=picture_logits, picture_logits=picture_logits)
        else:
            output = self._joined(picture, picture_logits, self._checked(text_features, len(picture)))
        if labels is not None:
            measure = nn.functional.binary_cross_entropy_with_logits
            loss = measure if labels.is_floating_point() else nn.functional.cross_entropy
            output.loss = loss(output.logits.float(), labels)  # type: ignore[union-attr]
        return output

    def _joined(self, picture: Tensor, picture_logits: Tensor, text_features: Tensor) -> SceneOutput:
        text = self.text_branch(text_features)
        fused = self.fusion_head(self.fusion_dropout(torch.cat([picture, text], dim=1)))
        has_text = text_features.ne(0).any(dim=1)
        used = has_text
        if self.training and self.config.modality_dropout:
            used = has_text & (torch.rand(len(has_text), device=has_text.device) >= self.config.modality_dropout)
        logits = torch.where(used[:, None], fused, picture_logits)
        return SceneOutput(
            logits=logits, picture_logits=picture_logits, text_logits=self.text_head(text), has_text=has_text
        )

    def _checked(self, text_features: Tensor, count: int) -> Tensor:
        wanted = (count, self.config.text_width)
        if text_features.shape != wanted:
            raise ModelError(
                f"The text vectors have the shape {tuple(text_features.shape)}, not {wanted}: one row a picture, made "
                "by this model's own text features (text.json)."
            )
        return text_features.to(self.text_head.weight.device, self.text_head.weight.dtype)

    def auxiliary_loss(
        self, output: SceneOutput, labels: Tensor, objective: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """Return the weighted losses of the two branches by `objective(logits, labels)`; without text, the picture's.

        They keep each branch able to answer alone: joint training by itself lets the quicker one (mostly the text) do
        all the work (Wang et al. 2020, "What makes training multi-modal classification networks hard?", section 3).
        """
        picture_logits, text_logits, has_text = output.picture_logits, output.text_logits, output.has_text
        if picture_logits is None:
            raise ModelError("This output is not SceneNet's: it has no picture_logits.")
        loss = objective(picture_logits.float(), labels)
        if text_logits is not None and has_text is not None and bool(has_text.any()):
            loss = loss + objective(text_logits.float()[has_text], labels[has_text])
        return self.config.auxiliary * loss

    def regularization_loss(self) -> Tensor:
        """Return what the picture network adds to the loss for its weights, 0 where it adds nothing."""
        if hasattr(self.backbone, "regularization_loss"):
            return self.backbone.regularization_loss()
        return self.text_head.weight.new_zeros(())


class SceneWithText(nn.Module):
    """A SceneNet that has been told the text of the one picture in question: it asks for pixels alone.

    So any method of explanation works on it, which shows the network many versions of a picture: each is seen with that
    picture's text. Its modules bear the names that they have in the network, after "scene.".
    """

    main_input_name = "pixel_values"

    def __init__(self, scene: SceneNet, text_features: Tensor) -> None:
        super().__init__()
        if text_features.shape != (1, scene.config.text_width):
            raise ModelError(
                f"Tell the text of one picture, (1, {scene.config.text_width}), not {text_features.shape}."
            )
        self.scene = scene
        self.config = scene.config
        self.register_buffer("text_features", text_features.to(scene.text_head.weight), persistent=False)

    def forward(self, pixel_values: Tensor) -> SceneOutput:
        """Return the scene's answer for versions (M, C, H, W) of the picture."""
        return self.scene(pixel_values, self.text_features.expand(len(pixel_values), -1))  # type: ignore[operator]


def take_off_head(model: nn.Module, num_labels: int) -> int:
    """Put nothing in the place of a classifier's output layer; return the width of the features that it then gives."""
    layers = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear) and m.out_features == num_labels]
    if not layers:
        raise ModelError(
            f"{type(model).__name__} has no linear output layer to take features from; choose another picture network."
        )
    name, layer = layers[-1]
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, nn.Identity())
    return layer.in_features


def scene_around(backbone: PreTrainedModel, labels: dict[str, Any], **settings: Any) -> SceneNet:
    """Return a SceneNet with new heads around a picture network's weights.

    Args:
        backbone: an image classifier; its own output layer is left behind.
        labels: what the config says of the labels (`Task.config()`).
        settings: the other settings of `SceneConfig`.

    Raises `ModelError` for a network whose features cannot be read.
    """
    if isinstance(backbone, SceneNet):
        raise ModelError("That checkpoint is a scene model already; name a picture network as model.name.")
    inner = {key: value for key, value in backbone.config.to_dict().items() if key not in PASSING}
    inner["model_type"] = backbone.config.model_type
    shape = {
        key: getattr(backbone.config, key) for key in ("image_size", "num_channels") if hasattr(backbone.config, key)
    }
    scene = SceneNet(SceneConfig(backbone=inner, **shape, **labels, **settings))
    own = scene.backbone.state_dict()
    scene.backbone.load_state_dict({key: value for key, value in backbone.state_dict().items() if key in own})
    return scene


AutoConfig.register(SceneConfig.model_type, SceneConfig, exist_ok=True)
AutoModelForImageClassification.register(SceneConfig, SceneNet, exist_ok=True)
