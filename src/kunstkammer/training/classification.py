"""Learning labels of pictures from plates: the first way of learning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from kunstkammer.registry import get
from kunstkammer.training.losses import WEIGHTS
from kunstkammer.training.recipe_kinds import ClassificationSettings
from kunstkammer.training.sampling import BatchKey, SeededBatches
from kunstkammer.training.style_mixing import StyleMixer
from kunstkammer.training.validation import validation_metrics

if TYPE_CHECKING:
    from kunstkammer.data.plates import Plates
    from kunstkammer.models.geometry import PictureGeometry
    from kunstkammer.pictures.augment import Augmenter

VALIDATION_BATCH = 64


@dataclass
class Classification:
    """Pictures with one label or several; see `learning.Learning`.

    Attributes:
        plates: the decoded pictures.
        targets: int64 (N,) or float32 (N, K), a row a plate.
        train, validation: rows of `plates` that are learned from, and that choose the best epoch.
        geometry: from a plate to the model's input.
        augmenter: what changes a training batch.
        settings: the recipe's section.
        batch_size, seed: of the batches.
        others: plates of a second domain that lend their style (`learning.style_mixing`); without labels.
        extras: what the model takes beside the pixels, by the name of its argument; `rows[indices]` gives (B, ...).
    """

    plates: Plates
    targets: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    geometry: PictureGeometry
    augmenter: Augmenter | None = None
    settings: ClassificationSettings = field(default_factory=ClassificationSettings)
    batch_size: int = 32
    seed: int = 0
    others: Plates | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)
    _mixer: StyleMixer | None = field(default=None, init=False, repr=False)
    _weights: Tensor | None = field(default=None, init=False, repr=False)

    @property
    def metrics(self) -> tuple[str, ...]:
        """What `validate` gives."""
        return self.settings.METRICS

    def batches(self) -> SeededBatches:
        """Return the sampler of the recipe's section."""
        return SeededBatches(self.train, self.targets[self.train], self.batch_size, self.settings.sampling, self.seed)

    def start(self, model: Any) -> None:
        """Hook the mixing of styles into the model, and weigh the classes, where the recipe says so."""
        device = next(model.parameters()).device
        if self.settings.style_mixing is not None:
            example = self.geometry.prepare(self.plates[self.train[:1]]).to(device)
            self._mixer = StyleMixer(model, self.settings.style_mixing, example)
        if self.settings.class_weights in WEIGHTS:
            weigh = WEIGHTS[self.settings.class_weights]
            self._weights = weigh(self.targets[self.train], model.config.num_labels).to(device)

    def stop(self) -> None:
        """Take the hooks off."""
        if self._mixer is not None:
            self._mixer.remove()
            self._mixer = None

    def more(self, indices: np.ndarray) -> dict[str, Tensor]:
        """Return the extras of some plates."""
        return {name: rows[indices] for name, rows in self.extras.items()}

    def batch(self, key: BatchKey) -> dict[str, Tensor]:
        """Return the batch of a key: float32 `pixel_values` (B, C, H, W), `labels`, and the extras."""
        pixels = self.plates[key.indices]
        if self.augmenter is None:
            values = self.geometry.prepare(pixels)
        else:
            values = self.geometry.normalise(self.augmenter(pixels, key.seed))
        labels = torch.from_numpy(self.targets[key.indices])
        batch = {"pixel_values": values, "labels": labels, **self.more(key.indices)}
        if self.others is not None:
            chosen = np.random.default_rng((key.seed, 4)).integers(len(self.others), size=len(key.indices))
            batch["others"] = self.geometry.prepare(self.others[chosen])
        return batch

    def loss(self, model: Any, batch: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Return the recipe's loss, with what the network adds to it, and the counts: loss and right answers."""
        labels = batch["labels"]
        extras = {name: batch[name] for name in self.extras}
        if self._mixer is None:
            outputs = model(pixel_values=batch["pixel_values"], **extras)
        else:
            outputs = self._mixer(model, batch["pixel_values"], batch.get("others"), **extras)
        logits = outputs.logits.float()
        loss = self.objective(logits, labels)
        with torch.no_grad():
            seen = len(labels)
            counts = {"loss": float(loss) * seen, "accuracy": float(_right(logits, labels).sum()), "seen": seen}
        whole = getattr(model, "module", model)
        if hasattr(whole, "auxiliary_loss"):
            loss = loss + whole.auxiliary_loss(outputs, labels, self.objective)
        if hasattr(whole, "regularization_loss"):
            loss = loss + whole.regularization_loss()
        return loss, counts

    def objective(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the recipe's loss of logits (N, K), with its class weights."""
        return get("losses", self.settings.loss)(logits, labels, self._weights, **self.settings.loss_options)

    def validate(self, model: Any, *, bf16: bool) -> dict[str, float]:
        """Return loss (without class weights) and metrics of the validation part."""
        if not len(self.validation):
            return {}
        logits = self._logits(model, bf16)
        targets = torch.from_numpy(self.targets[self.validation])
        loss = get("losses", self.settings.loss)(logits, targets, None, **self.settings.loss_options)
        return {"loss": float(loss), **validation_metrics(logits.numpy(), targets.numpy())}

    @torch.inference_mode()
    def _logits(self, model: Any, bf16: bool) -> Tensor:
        """Return float32 logits (n, K) of the validation part, not augmented; the model's mode is put back after."""
        training = model.training
        device = next(model.parameters()).device
        model.eval()
        try:
            parts = []
            for start in range(0, len(self.validation), VALIDATION_BATCH):
                rows = self.validation[start : start + VALIDATION_BATCH]
                pixels = self.geometry.prepare(self.plates[rows].to(device))
                more = {name: values.to(device) for name, values in self.more(rows).items()}
                with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                    parts.append(model(pixel_values=pixels, **more).logits.float().cpu())
            return torch.cat(parts)
        finally:
            model.train(training)


def _right(logits: Tensor, labels: Tensor) -> Tensor:
    if labels.is_floating_point():
        return ((logits > 0) == (labels > 0.5)).all(dim=1)
    return logits.argmax(dim=1) == labels
