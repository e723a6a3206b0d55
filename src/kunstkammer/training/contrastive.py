"""Learning pictures and their captions into one space: the second way of learning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from kunstkammer.errors import DataError
from kunstkammer.metrics.retrieval import recall_at
from kunstkammer.training.recipe_kinds import ContrastiveSettings
from kunstkammer.training.sampling import BatchKey, step_seed

if TYPE_CHECKING:
    from kunstkammer.data.plates import Plates
    from kunstkammer.models.geometry import PictureGeometry
    from kunstkammer.models.texts import TextRows
    from kunstkammer.pictures.augment import Augmenter

RECALLS = (1, 5, 10)
EMBED_BATCH = 64


class DistinctBatches:
    """A sampler whose batches never hold one caption twice: the other picture of it would count as a wrong answer.

    Every epoch is a function of the seed. Each caption's pictures go to as many different batches; a caption that has
    more pictures than there are batches has some of them wait for another epoch.
    """

    def __init__(self, rows: np.ndarray, captions: Sequence[str], batch_size: int, seed: int) -> None:
        self.rows, self.seed, self.epoch = rows, seed, 0
        self.captions = np.unique(np.asarray(captions, dtype=object).astype(str), return_inverse=True)[1]
        distinct = int(self.captions.max(initial=-1)) + 1
        if distinct < 2:
            raise DataError(
                "All captions are alike: there is nothing to tell apart. Give pictures with other captions."
            )
        sizes = np.bincount(self.captions)
        count = max(1, -(-len(rows) // min(batch_size, distinct)))
        while count > 1 and np.minimum(sizes, count).sum() < 2 * count:  # a batch of one pair teaches nothing
            count -= 1
        self._batches = count

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration gives."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of batches an epoch."""
        return self._batches

    def __iter__(self) -> Iterator[BatchKey]:
        """Yield the batches of the chosen epoch: of nearly one size, each caption at most once in each."""
        random = np.random.default_rng((self.seed, 7, self.epoch))
        order = random.permutation(len(self.rows))
        order = order[np.argsort(random.permutation(self.captions.max() + 1)[self.captions[order]], kind="stable")]
        members: list[list[int]] = [[] for _ in range(self._batches)]
        place, last, taken = 0, -1, 0
        for row in order:  # one caption after the other, dealt out in turn: a round never meets the same batch twice
            taken = taken + 1 if self.captions[row] == last else 1
            last = self.captions[row]
            if taken <= self._batches:
                members[place % self._batches].append(int(row))
                place += 1
        for batch, chosen in enumerate(members):
            rows = self.rows[random.permutation(np.array(chosen, dtype=np.int64))]
            yield BatchKey(rows, step_seed(self.seed, self.epoch, batch))


@dataclass
class Contrastive:
    """Pictures with a caption each; see `learning.Learning`.

    Attributes:
        plates: the decoded pictures; `captions` and `texts`, their vectors, have one for each.
        train, validation: rows of `plates`.
        geometry: from a plate to the model's input.
        augmenter: what changes the pictures of a training batch.
        settings: the recipe's section.
        batch_size, seed: of the batches.
    """

    plates: Plates
    captions: Sequence[str]
    texts: TextRows
    train: np.ndarray
    validation: np.ndarray
    geometry: PictureGeometry
    augmenter: Augmenter | None = None
    settings: ContrastiveSettings = field(default_factory=ContrastiveSettings)
    batch_size: int = 32
    seed: int = 0

    @property
    def metrics(self) -> tuple[str, ...]:
        """What `validate` gives."""
        return self.settings.METRICS

    def batches(self) -> DistinctBatches:
        """Return the sampler: no caption twice in a batch."""
        return DistinctBatches(self.train, [self.captions[i] for i in self.train], self.batch_size, self.seed)

    def start(self, model: Any) -> None:
        """Nothing to put on the model."""

    def stop(self) -> None:
        """Nothing to take off it."""

    def batch(self, key: BatchKey) -> dict[str, Tensor]:
        """Return the batch of a key: `pixel_values` (B, C, H, W) and `text_features` (B, D), row by row a pair."""
        pixels = self.plates[key.indices]
        if self.augmenter is None:
            values = self.geometry.prepare(pixels)
        else:
            values = self.geometry.normalise(self.augmenter(pixels, key.seed))
        return {"pixel_values": values, "text_features": self.texts[key.indices]}

    def loss(self, model: Any, batch: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of the pairs, and the counts: loss and the captions found first of all in the batch."""
        logits = model(pixel_values=batch["pixel_values"], text_features=batch["text_features"]).logits_per_image
        loss = pair_loss(logits, self.settings.loss)
        with torch.no_grad():
            seen = len(logits)
            found = (logits.argmax(dim=1) == torch.arange(seen, device=logits.device)).sum()
        return loss, {"loss": float(loss.detach()) * seen, "recall_at_1": float(found), "seen": seen}

    def validate(self, model: Any, *, bf16: bool) -> dict[str, float]:
        """Return the loss over the validation part as one batch, and the recalls: the mean of both directions."""
        if not len(self.validation):
            return {}
        pictures, texts = embed(model, self.plates, self.texts, self.validation, self.geometry, bf16=bf16)
        similarity = (pictures @ texts.T).numpy()
        relevant = same_caption([self.captions[i] for i in self.validation])
        scale, bias = model.logit_scale.detach().exp().cpu(), model.logit_bias.detach().cpu()
        found = {"loss": float(pair_loss(scale * pictures @ texts.T + bias, self.settings.loss))}
        for k in RECALLS:
            both = (recall_at(similarity, relevant, k), recall_at(similarity.T, relevant.T, k))
            found[f"recall_at_{k}"] = float(np.mean(both))
        return found


def pair_loss(logits: Tensor, name: str) -> Tensor:
    """Return the loss of logits (B, B) whose diagonal holds the pairs.

    "info-nce": cross-entropy over the rows and over the columns, their mean (Radford et al. 2021, figure 3).
    "sigmoid": -(1/B) sum_ij log sigmoid(z_ij l_ij), z = 1 for pairs and -1 for others (Zhai et al. 2023, algorithm 1).

    >>> [round(pair_loss(torch.zeros(4, 4), name).item(), 4) for name in ("info-nce", "sigmoid")]
    [1.3863, 2.7726]
    """
    count = len(logits)
    if name == "info-nce":
        pairs = torch.arange(count, device=logits.device)
        return (F.cross_entropy(logits, pairs) + F.cross_entropy(logits.T, pairs)) / 2
    signs = 2 * torch.eye(count, device=logits.device) - 1
    return -F.logsigmoid(signs * logits).sum() / count


def same_caption(captions: Sequence[str]) -> np.ndarray:
    """Return bool (N, N): whether two pictures have the same caption, so that each is right for the other's."""
    numbers = np.unique(np.asarray(captions, dtype=object).astype(str), return_inverse=True)[1]
    return numbers[:, None] == numbers[None]


@torch.inference_mode()
def embed(
    model: Any, plates: Plates, texts: TextRows, rows: np.ndarray, geometry: PictureGeometry, *, bf16: bool = False
) -> tuple[Tensor, Tensor]:
    """Return float32 vectors (n, width) of the pictures and of the texts at `rows`, on the CPU."""
    training, device = model.training, next(model.parameters()).device
    model.eval()
    try:
        pictures, said = [], []
        for start in range(0, len(rows), EMBED_BATCH):
            part = rows[start : start + EMBED_BATCH]
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                pictures.append(model.embed_pictures(geometry.prepare(plates[part].to(device))).float().cpu())
                said.append(model.embed_texts(texts[part].to(device)).float().cpu())
        return torch.cat(pictures), torch.cat(said)
    finally:
        model.train(training)
