"""The best training loop that a person would write by hand for pictures that fit into memory: the peer of ours."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from kunstkammer.models.devices import choose_device

if TYPE_CHECKING:
    from benchmarks.subjects import Subject
    from kunstkammer.training.recipe import OptimizerSettings


@dataclass(frozen=True)
class Manner:
    """How the loop computes: the layout of pictures and weights in memory, the precision, compiled or not."""

    channels_last: bool = True
    bf16: bool = False
    compiled: bool = False


class InMemory:
    """All pictures of a subject as normalised float32 in the layout that the loop wants, not augmented."""

    def __init__(self, subject: Subject, channels_last: bool) -> None:
        _, geometry = subject.model()
        device = choose_device()
        # Rows of (N, H, W, C) seen as (N, C, H, W) are channels-last without a copy.
        self.channels_last = channels_last
        values = geometry.prepare(subject.plates[:]).to(device)
        self.values = values.permute(0, 2, 3, 1).contiguous() if channels_last else values.contiguous()
        self.labels = torch.from_numpy(subject.targets).to(device)

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the model's input and the labels."""
        values = self.values[rows]
        return values.permute(0, 3, 1, 2) if self.channels_last else values, self.labels[rows]


def fused_optimizer(model: nn.Module, settings: OptimizerSettings) -> torch.optim.Optimizer:
    """Return the recipe's optimizer in torch's fastest implementation."""
    weights, rate, decay = model.parameters(), settings.learning_rate, settings.weight_decay
    if settings.name == "sgd":
        return torch.optim.SGD(
            weights, rate, momentum=settings.momentum, nesterov=settings.nesterov, weight_decay=decay, fused=True
        )
    kind = torch.optim.Adam if settings.name == "adam" else torch.optim.AdamW
    return kind(weights, rate, weight_decay=decay, fused=True)


def bare_loop(subject: Subject, memory: InMemory, manner: Manner, epochs: int) -> float:
    """Train without anything around it; return pictures/s from the second epoch on."""
    layout = torch.channels_last if manner.channels_last else torch.contiguous_format
    model, _ = subject.model()
    model = model.to(device=memory.labels.device, memory_format=layout).train()  # type: ignore[call-overload]
    optimizer = fused_optimizer(model, subject.recipe.training.optimizer)
    forward = torch.compile(model) if manner.compiled else model
    device = memory.labels.device.type
    counted = 0.0
    for epoch in range(epochs):
        start = time.perf_counter()
        for rows in torch.randperm(len(memory)).split(subject.batch):
            values, labels = memory.batch(rows)
            with torch.autocast(device, torch.bfloat16, enabled=manner.bf16):
                logits = forward(pixel_values=values).logits
            loss = nn.functional.cross_entropy(logits.float(), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        if epoch:
            counted += time.perf_counter() - start
    return len(memory) * (epochs - 1) / counted
