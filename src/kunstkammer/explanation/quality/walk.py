"""A few pictures at a time: each method's maps, and all that is measured of them before they are forgotten."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from kunstkammer.errors import KunstkammerError
from kunstkammer.explanation.degradation import RANDOM, degrade
from kunstkammer.explanation.facts import facts_of
from kunstkammer.explanation.interface import explain
from kunstkammer.explanation.quality.plan import Plan, Subject, pictures_to_check, rows_at_once
from kunstkammer.explanation.quality.store import Arrays, Store
from kunstkammer.explanation.sanity import energy_inside, likeness, points_inside
from kunstkammer.explanation.task import borrowed, logits_of
from kunstkammer.pictures.detections import Detections

Loader = Callable[[np.ndarray], Tensor]
"""int (M,), places among the pictures -> the model's input (M, C, H, W)."""

PART = 8
"""So many pictures are measured, and kept, at a time; fewer large ones."""


@dataclass
class Walk:
    """Goes over the pictures; `run` returns what was measured.

    Attributes:
        subject: the model under trial.
        plan: what is done.
        load: gives the pictures at some places.
        count: of pictures.
        targets: int (N,), the predicted class of each; others: another class each.
        two: whether the model has two classes: then a map and its negative tell them apart. With more, a map that only
            changes its sign with the logit it started from is the same map.
        boxes: of each picture, in pixels of the model's input, or None where there are none.
        left_out: method -> why, filled on the way.
    """

    subject: Subject
    plan: Plan
    load: Loader
    count: int
    targets: np.ndarray
    others: np.ndarray
    boxes: Sequence[Detections] | None = None
    two: bool = False
    left_out: dict[str, str] = field(default_factory=dict)

    def run(self, store: Store, advance: Callable[[int], None]) -> Arrays:
        """Return arrays over all pictures: "random", "most/METHOD", "least/METHOD", "kept/METHOD" ...; a method that
        failed on any picture is in `left_out` and in none of them. `advance` counts pictures times methods."""
        pixels = self.load(np.arange(1))
        size = max(1, min(PART, rows_at_once(pixels.shape[1:]) // 2))
        parts: list[Arrays] = []
        for start in range(0, self.count, size):
            rows = np.arange(start, min(start + size, self.count))
            known = store.has(f"pictures-{start:06d}")
            found = store.get(f"pictures-{start:06d}", lambda rows=rows: self._part(rows, advance))  # type: ignore[misc]
            for key in found:
                if key.startswith("left/"):
                    self.left_out[key.removeprefix("left/")] = str(found[key])
            parts.append(found)
            if known:
                advance(len(rows) * len(self.plan.methods))
        keys = [key for key in dict.fromkeys(k for part in parts for k in part) if not key.startswith("left/")]
        whole = [key for key in keys if key.partition("/")[2] not in self.left_out]
        return {key: np.concatenate([part[key] for part in parts if key in part]) for key in whole}

    def _part(self, rows: np.ndarray, advance: Callable[[int], None]) -> Arrays:
        pixels = self.load(rows)
        plan, batch = self.plan, rows_at_once(pixels.shape[1:])
        first = degrade(
            self.subject.model, pixels, {}, patch=plan.patch, steps=plan.steps, fill=plan.fill, points=plan.points,
            batch_size=batch, seed=plan.seed + int(rows[0]),
        )  # fmt: skip
        found: Arrays = {RANDOM: first.scores[RANDOM]}
        for method in plan.methods:
            if method not in self.left_out:
                try:
                    found.update(self._method(method, pixels, rows, batch))
                except KunstkammerError as error:
                    self.left_out[method] = str(error)
                    found[f"left/{method}"] = np.array(str(error))
            advance(len(rows))
        return found

    def _method(self, method: str, pixels: Tensor, rows: np.ndarray, batch: int) -> Arrays:
        plan, model = self.plan, self.subject.model
        options = self.subject.options(method, pixels.shape[2:])
        targets = torch.from_numpy(self.targets[rows])
        start = time.process_time()
        maps = explain(model, pixels, targets, method, batch_size=min(batch, 8), **options).sum(dim=1, keepdim=True)
        seconds = (time.process_time() - start) / len(rows)
        if not bool(maps.isfinite().all()):
            raise KunstkammerError(f"The maps of {method} are not finite: its values overflow in this network.")
        found: Arrays = {f"seconds/{method}": np.full(len(rows), seconds)}
        ordering = maps.abs() if plan.relevance == "absolute" else maps
        for order in ("most", "least"):
            curves = degrade(
                model, pixels, {method: ordering}, patch=plan.patch, steps=plan.steps, order=order, fill=plan.fill,
                points=plan.points, with_random=False, batch_size=batch,
            )  # fmt: skip
            found[f"{order}/{method}"] = curves.scores[method]
        if facts_of(method).shares:
            found[f"kept/{method}"] = self._kept(method, maps, pixels, targets)
        found.update(self._inside(method, maps, rows))
        checked = rows[rows < pictures_to_check(plan, method, pixels.shape[2:])]
        if len(checked) and (self.others >= 0).all():
            others = torch.from_numpy(self.others[checked])
            second = explain(model, pixels[: len(checked)], others, method, batch_size=min(batch, 8), **options)
            alike = likeness(maps[: len(checked)], second, signed=True)
            found[f"classes/{method}"] = alike if self.two else np.abs(alike)
        return found

    def _kept(self, method: str, maps: Tensor, pixels: Tensor, targets: Tensor) -> np.ndarray:
        """Return the sum of each map over what it should be; NaN where that is next to nothing."""
        with borrowed(self.subject.model), torch.no_grad():
            logits = logits_of(self.subject.model, pixels).double().cpu()
            nothing = logits_of(self.subject.model, torch.zeros_like(pixels[:1])).double().cpu()
        wanted = logits.gather(1, targets[:, None])[:, 0]
        if method == "integrated-gradients":
            wanted = wanted - nothing[0, targets]
        if method == "deep-taylor":
            wanted = wanted.clamp(min=0)
        sums = maps.double().sum(dim=(1, 2, 3)).cpu()
        return torch.where(wanted.abs() > 1e-3, sums / wanted, torch.nan).numpy()

    def _inside(self, method: str, maps: Tensor, rows: np.ndarray) -> Arrays:
        if self.boxes is None:
            return {}
        places = [i for i, row in enumerate(rows) if self.boxes[row]]
        boxes = [self.boxes[rows[i]] for i in places]
        if not places:
            return {f"points/{method}": np.empty(0), f"energy/{method}": np.empty(0)}
        return {
            f"points/{method}": points_inside(maps[places], boxes).astype(np.float64),
            f"energy/{method}": energy_inside(maps[places], boxes),
        }
