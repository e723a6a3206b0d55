"""Picture degradation: 100 pictures by 10 methods, against a loop over single pictures and the forward passes alone."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.contest import Found, Measure, Options, Target, compare, contest, seconds
from kunstkammer.explanation.degradation import degrade
from kunstkammer.explanation.task import logits_of
from kunstkammer.models.catalogue import Task, create_model

JOB = "degradation"
OURS, LOOP, FORWARD = "batched", "a loop over single pictures", "the forward passes alone"
WANTED, METHODS, PATCH, POINTS, BATCH = 100, 10, 9, 101, 64
PICTURES = {"sketchnet": 10, "resnet-18": 3}
"""So many are measured where the user does not say; what 100 take follows, for each picture costs the same."""
LOOPED = 2
"""Orders of one picture that the loop goes through: it is the same for each."""
MINUTES, FASTER, CLOSE = Target("value", "<=", 15), Target("ratio", "<=", 0.75), Target("ratio", "<=", 1.15)


def measure(options: Options) -> Iterator[Found]:
    """Degrade random pictures with random maps: neither the network's weights nor the maps change the time."""
    for name, side, grey in (("sketchnet", 120, True), ("resnet-18", 128, False)):
        torch.manual_seed(0)
        model, _ = create_model(name, Task(("one", "other"), size=(side, side), grey=grey))
        yield from _one(f"{name}, {side} px", model.eval(), side, 1 if grey else 3, options, PICTURES[name])


def _one(name: str, model: nn.Module, side: int, channels: int, options: Options, usual: int) -> Iterator[Found]:
    pictures = options.pictures or usual
    pixels = torch.rand(pictures, channels, side, side).contiguous(memory_format=torch.channels_last)
    maps = {f"method {number}": torch.rand(pictures, 1, side, side) for number in range(METHODS)}
    # What a user has who opens the checkpoint with its own library.
    plain = copy.deepcopy(model).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    passes = pictures * METHODS * POINTS
    some = dict(list(maps.items())[:LOOPED])

    def ours() -> dict[str, float]:
        taken = seconds(partial(degrade, model, pixels, maps, patch=PATCH, with_random=False, batch_size=BATCH))
        return {OURS: 1e3 * taken / passes}

    def loop() -> dict[str, float]:
        return {LOOP: 1e3 * seconds(partial(one_by_one, plain, pixels[0].contiguous(), some)) / (LOOPED * POINTS)}

    def forward() -> dict[str, float]:
        batches = torch.rand(BATCH, channels, side, side).contiguous(memory_format=torch.channels_last)
        rounds = max(1, passes // BATCH // 4)
        return {FORWARD: 1e3 * seconds(partial(_forward, model, batches, rounds)) / (rounds * BATCH)}

    found = contest({OURS: ours, LOOP: loop, FORWARD: forward}, options.rounds(1))
    each = sorted(found[OURS])[len(found[OURS]) // 2]
    note = f"{WANTED} pictures x {METHODS} methods x {POINTS} numbers of patches, from {pictures} pictures; "
    note += f"{torch.get_num_threads()} threads"
    minutes = each * WANTED * METHODS * POINTS / 60e3
    yield Measure(JOB, f"{name}, {WANTED} x {METHODS} curves", "min", minutes, target=MINUTES, rounds=found, note=note)
    yield compare(JOB, f"{name}, one score", "ms", found, ours=OURS, peer=LOOP, target=FASTER)
    yield compare(JOB, f"{name}, one score", "ms", found, ours=OURS, peer=FORWARD, target=CLOSE)


@torch.no_grad()
def one_by_one(model: nn.Module, picture: Tensor, maps: dict[str, Tensor]) -> list[list[float]]:
    """Return the curves of one picture (C, H, W) as a user would write them: patch after patch, a pass for each."""
    columns = picture.shape[2] // PATCH
    curves = []
    for relevance in maps.values():
        sums = torch.nn.functional.avg_pool2d(relevance[:1], PATCH).flatten()
        changed = picture.clone()
        first = logits_of(model, changed[None]).softmax(1)
        target = int(first.argmax())
        curve = [float(first[0, target])]
        for index in sums.argsort(descending=True)[: POINTS - 1].tolist():
            top, left = index // columns * PATCH, index % columns * PATCH
            place = changed[:, top : top + PATCH, left : left + PATCH]
            place[:] = place.mean((1, 2), keepdim=True)
            curve.append(float(logits_of(model, changed[None]).softmax(1)[0, target]))
        curves.append(curve)
    return curves


@torch.no_grad()
def _forward(model: nn.Module, pixels: Tensor, rounds: int) -> None:
    for _ in range(rounds):
        logits_of(model, pixels)
