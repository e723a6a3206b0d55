"""Batched augmentation on tensors: a list of names with parameters -> a function of (pixels, seed)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from kunstkammer import registry

# Imported for their members too: this module is the home of the kind "augmentations".
from kunstkammer.pictures import geometric, tonal
from kunstkammer.pictures.augmentation import Augmentation, Draws, Fill, Geometric, Local, Tonal
from kunstkammer.pictures.detections import Detections
from kunstkammer.pictures.framing import Affine, Box
from kunstkammer.pictures.parameters import parse_named

PART_NUMBERS = 2**18

LEAST_VISIBLE = 0.25
"""`Augmenter.with_boxes` leaves out a box of whose area less than this share can still be seen."""

SceneWithText = tuple[Tensor | None, Tensor | None]
"""What one run did: matrices (N, 3, 3) where it moved (see `Geometric.matrices`), boxes (N, 4) that it hid."""


class Augmenter:
    """Augmentations in their order, as one pure function of (pixels, seed).

    Attributes:
        steps: the augmentations with all their parameters.
    """

    def __init__(self, steps: Sequence[Augmentation]) -> None:
        self.steps = tuple(steps)
        self._runs = _runs(self.steps)

    def __call__(self, pixels: Tensor, seed: int) -> Tensor:
        """Turn uint8 (N, 1 or 3, H, W) into float32 of the same shape in 0..1, every picture changed on its own.

        The same pixels and seed give the same result; torch's global random state is neither used nor changed. Random
        numbers are drawn on the processor, so that a GPU sees the same augmentations.
        """
        return self._changed(pixels, seed)[0]

    def with_boxes(
        self, pixels: Tensor, boxes: Sequence[Detections], seed: int, *, visible: float = LEAST_VISIBLE
    ) -> tuple[Tensor, list[Detections]]:
        """Return what calling this gives, and the boxes around the same things in the changed pictures.

        Args:
            pixels: uint8 (N, 1 or 3, H, W).
            boxes: those of each picture, in its pixels.
            seed: of the random numbers.
            visible: 0 to 1. A box is left out where less than this share of its area can still be seen: the rest was
                cut off by a crop, a shift or a turn, or hidden by an erasing. What lay outside from the first does not
                count.

        A turned box becomes the upright one around it, cut off at the edge. Raises `ValueError` for boxes of another
        number of pictures, or of pictures of another size.
        """
        size = (int(pixels.shape[2]), int(pixels.shape[3]))
        if len(boxes) != len(pixels):
            raise ValueError(f"Give the boxes of each picture: {len(pixels)} pictures, boxes of {len(boxes)}.")
        for own in boxes:
            if own.size not in (None, size):
                raise ValueError(f"Boxes of a picture of {own.size} for pixels of {size} (height, width); move them.")
        changed, told = self._changed(pixels, seed)
        changes = [own for run in told for own in _changes(run, *size)]
        clipped = [own.clip(size) for own in boxes]
        shown = [own.select(own.area > 0) for own in clipped]
        return changed, [
            own.followed([change[i] for change in changes], size, visible=visible) for i, own in enumerate(shown)
        ]

    def _changed(self, pixels: Tensor, seed: int) -> tuple[Tensor, list[SceneWithText]]:
        """Return the changed pictures, and what each run did to their boxes."""
        if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[1] not in (1, 3):
            raise ValueError(f"Expected uint8 (N, 1 or 3, H, W), not {pixels.dtype} {tuple(pixels.shape)}.")
        result = pixels.to(torch.float32).div_(255)
        if not self._runs or not len(pixels):
            return result, []
        draws = Draws(len(pixels), seed, pixels.device)
        told = []
        for run in self._runs:
            result, *own = _carry_out(run, result, draws)
            told.append((own[0], own[1]))
        return result.clamp_(0, 1), told

    def specs(self) -> list[dict[str, Any]]:
        """Return what `build_augmenter` takes, with every default written out."""
        names = {entry.thing: entry.name for entry in registry.entries("augmentations")}
        return [{"name": names[type(step)], **step.model_dump(mode="json")} for step in self.steps]

    def __repr__(self) -> str:
        return f"Augmenter({', '.join(map(repr, self.steps))})"


def build_augmenter(specs: Sequence[Mapping[str, Any]]) -> Augmenter:
    """Build an augmenter from `[{"name": "rotation", "degrees": 20}, ...]`; `[]` only turns bytes into floats.

    Raises:
        UnknownNameError: there is no augmentation of that name.
        RecipeError: an unknown parameter, a wrong type, a value out of range.

    >>> augment = build_augmenter([{"name": "rotation", "degrees": 20}, {"name": "horizontal-flip"}])
    >>> augment(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), seed=1).shape
    torch.Size([2, 3, 8, 8])
    """
    return Augmenter([parse_augmentation(spec) for spec in specs])


def parse_augmentation(spec: Mapping[str, Any]) -> Augmentation:
    """Check one `{"name": ..., parameter: value, ...}` and return the augmentation; errors as `build_augmenter`."""
    return parse_named("augmentations", spec)


def _fill(step: Geometric) -> Fill | None:
    return None if step.always_inside else getattr(step, "fill")  # noqa: B009 - subclasses have the field


def _runs(steps: Sequence[Augmentation]) -> list[list[Augmentation]]:
    """Cut the steps into runs that are carried out at once: geometric ones of one fill, tonal ones; others alone."""
    runs: list[list[Augmentation]] = []
    for step in steps:
        if runs and _fit_together(runs[-1], step):
            runs[-1].append(step)
        else:
            runs.append([step])
    return runs


def _fit_together(run: Sequence[Augmentation], step: Augmentation) -> bool:
    if isinstance(step, Tonal):
        return isinstance(run[0], Tonal)
    if not isinstance(step, Geometric) or not isinstance(run[0], Geometric):
        return False
    fills = {_fill(member) for member in [*run, step] if isinstance(member, Geometric)} - {None}
    return len(fills) <= 1


def _carry_out(
    run: Sequence[Augmentation], pixels: Tensor, draws: Draws
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Do one run and return what it did (see `SceneWithText`); `pixels` is ours and may be written over."""
    moves = [step for step in run if isinstance(step, Geometric)]
    if moves:
        matrices = geometric.compose(moves, draws, *pixels.shape[-2:])
        fill: Fill = next((named for step in moves if (named := _fill(step))), "edge")
        whole = all(step.whole_pixels for step in moves)
        sampled = _in_parts(pixels, lambda part, here: geometric.sample(part, matrices[here], fill, whole=whole))
        return sampled, matrices, None
    tones = [step for step in run if isinstance(step, Tonal)]
    if tones:
        matrix, offset = tonal.compose(tones, draws, pixels)
        return _in_parts(pixels, lambda part, here: tonal.recolour(part, matrix[here], offset[here])), None, None
    [step] = run
    if not isinstance(step, Local):
        raise TypeError(f"{type(step).__name__} is neither Geometric, Tonal nor Local.")
    pixels, hidden = step.apply_and_tell(pixels, draws)
    return pixels, None, hidden


def _changes(told: SceneWithText, height: int, width: int) -> list[list[Affine | Box]]:
    """Return the changes of one run for `Detections.followed`: [] or one list with a change for each picture."""
    matrices, hidden = told
    if matrices is not None:
        return [list(geometric.affines(matrices, height, width))]
    if hidden is not None:
        return [[(x0, y0, x1, y1) for x0, y0, x1, y1 in hidden.detach().cpu().double().tolist()]]
    return []


def _in_parts(pixels: Tensor, work: Callable[[Tensor, slice], Tensor]) -> Tensor:
    """Replace the pixels by what `work(part, which part)` makes of them, about a MiB at a time.

    What is made in between then stays in the processor's cache, and its memory is used again instead of being asked
    from the system each time, which costs more than the arithmetic: 13 ms became 5 for system B's set.
    """
    step = len(pixels)
    if pixels.device.type == "cpu":
        step = max(torch.get_num_threads(), PART_NUMBERS // pixels[0].numel())
    for start in range(0, len(pixels), step):
        here = slice(start, start + step)
        pixels[here] = work(pixels[here], here)
    return pixels
