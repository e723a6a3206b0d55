"""Fitting a cartoon to pictures that are drawn already, without labels: how strong, how many lines, what colours.

A filter alone is no bridge between photographs and drawings: one that is too strong or of the wrong kind leads farther
away. So its strength and settings are chosen by what can be measured without labels, on one half of the pictures, and
judged on the other half; where the judgement is not better than that of the plain photographs, nothing is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kunstkammer.errors import DataError
from kunstkammer.pictures.cartoon.draw import cartoon_settings, cartoonify
from kunstkammer.pictures.cartoon.settings import CartoonSettings
from kunstkammer.pictures.cartoon.statistics import Ruler, at_size, statistics

STRENGTHS = (0.2, 0.4, 0.6, 0.8, 1.0)
MOST_PICTURES = 100
"""More pictures of either side are not looked at: evenly spread ones stand for them."""

_SEARCHED = 16  # sources that each choice is tried on
_LEAST_GAIN = 0.03  # a smaller fall of the distance is no more than chance
_FEWEST = 8  # pictures below which they are not halved

# What is tried of each setting, in this order, as factors on the preset's own value.
_FACTORS: dict[str, tuple[float, ...]] = {
    "lines": (0.0, 0.5, 1.6),
    "saturation": (0.0, 0.5, 0.75),
    "blacks": (0.0, 1.8),
    "smoothing": (0.5, 1.6),
    "contrast": (0.7, 1.35),
    "line_width": (0.7, 1.5),
    "levels": (0.6, 1.7),
}


@dataclass(frozen=True)
class FittedCartoon:
    """What fitting found.

    Attributes:
        preset: the preset that was fitted.
        settings: its settings, and `strength`; 0 where no strength brings the sources nearer to the targets.
        distance_before, distance_after: from the targets, of the sources as they are and drawn, on pictures that were
            not used for the choice; in deviations of the statistics.
        taken_before, taken_after: the share of them that a classifier of plain sources against targets takes for
            targets; None where there are too few pictures.
        sources, targets: how many pictures of each were looked at.
        halved: whether sources were left for the judgement alone.
    """

    preset: str
    settings: CartoonSettings
    strength: float
    distance_before: float
    distance_after: float
    taken_before: float | None
    taken_after: float | None
    sources: int
    targets: int
    halved: bool

    @property
    def spec(self) -> dict[str, Any]:
        """The preparation that a recipe takes: `picture.preparation: [spec]`."""
        own = type(self.settings)()
        values = self.settings.model_dump(mode="json")
        changed = {name: value for name, value in values.items() if value != getattr(own, name)}
        return {"name": "cartoonify", "preset": self.preset, "strength": self.strength, **changed}

    @property
    def sentence(self) -> str:
        """Say what was found, and how far it may be trusted."""
        judged = "" if self.halved else " (judged on the pictures it was chosen on: there are few)"
        if not self.strength:
            return (
                f"No strength of '{self.preset}' brings these pictures nearer to the {self.targets} targets "
                f"(distance {self.distance_before:.3f}, at best {self.distance_after:.3f}){judged}: strength 0, "
                "they are left as they are."
            )
        fall = 1 - self.distance_after / self.distance_before
        said = (
            f"Fitted '{self.preset}' to {self.targets} pictures: strength {self.strength:g}, the distance falls from "
            f"{self.distance_before:.3f} to {self.distance_after:.3f} ({fall:.0%}){judged}."
        )
        if self.taken_before is not None and self.taken_after is not None:
            said += f" Taken for targets: {self.taken_before:.0%} before, {self.taken_after:.0%} after."
        return said

    def to_json(self) -> dict[str, Any]:
        """Return all of it for JSON."""
        return {
            "strength": self.strength,
            "settings": self.settings.model_dump(mode="json"),
            "distance_before": self.distance_before,
            "distance_after": self.distance_after,
            "taken_for_targets_before": self.taken_before,
            "taken_for_targets_after": self.taken_after,
            "targets": self.targets,
            "preparation": self.spec,
        }


def fit_cartoon(
    sources: Sequence[Tensor], targets: Sequence[Tensor], preset: str = "comic", *, seed: int = 0
) -> FittedCartoon:
    """Choose strength and settings of a preset so that the drawn sources come nearest to the targets.

    Compared are statistics of tone, colour, edges and lines (`statistics`); no label is needed. The settings are tried
    one after the other and the better value kept. Half of the pictures choose, the other half judge; where the
    distance does not fall by 3 % for them, the strength is 0.

    Args:
        sources: photographs, each uint8 (1 or 3, H, W) of any size.
        targets: pictures as the drawings should be, at least 8.
        preset: a name of `kunstkammer list cartoons`.
        seed: of the halves and of the directions that are measured along.

    Raises:
        DataError: there is no source, or fewer than 8 targets.
        UnknownNameError: there is no such preset.
    """
    start = cartoon_settings(preset)
    if not len(sources) or len(targets) < _FEWEST:
        raise DataError(
            f"Fitting a cartoon takes at least one source and {_FEWEST} targets; "
            f"there are {len(sources)} and {len(targets)}."
        )
    random = np.random.default_rng(seed)
    photos = [at_size(sources[i]) for i in _some(len(sources), random)]
    drawings = np.stack([_statistics(at_size(targets[i])) for i in _some(len(targets), random)])
    halved = len(photos) >= _FEWEST
    chosen, judges = (photos[0::2], photos[1::2]) if halved else (photos, photos)
    plain = np.stack([_statistics(photo) for photo in chosen])
    ruler = Ruler(plain, drawings, seed)
    searched = chosen[:_SEARCHED]
    settings, strength = _search(searched, ruler, drawings[0::2], preset, start)

    held_out = drawings[1::2]
    untouched = np.stack([_statistics(photo) for photo in judges])
    drawn = np.stack([_statistics(_draw(photo, preset, settings, strength)) for photo in judges])
    before, after = ruler.distance(untouched, held_out), ruler.distance(drawn, held_out)
    taken = _taken_for_targets(ruler, plain, drawings[0::2], untouched, drawn) if halved else None
    better = after < (1 - _LEAST_GAIN) * before
    return FittedCartoon(
        preset,
        settings if better else start,
        strength if better else 0.0,
        distance_before=before,
        distance_after=after,
        taken_before=taken[0] if taken else None,
        taken_after=taken[1] if taken else None,
        sources=len(photos),
        targets=len(drawings),
        halved=halved,
    )


def _some(count: int, random: np.random.Generator) -> list[int]:
    """Return at most `MOST_PICTURES` of so many indices, in random order."""
    return random.permutation(count)[:MOST_PICTURES].tolist()


def _statistics(picture: Tensor) -> np.ndarray:
    return statistics(picture.float() / 255)


def _draw(photo: Tensor, preset: str, settings: CartoonSettings, strength: float) -> Tensor:
    return cartoonify(photo[None], preset, strength=strength, settings=settings)[0]


def _search(
    photos: list[Tensor], ruler: Ruler, targets: np.ndarray, preset: str, start: CartoonSettings
) -> tuple[CartoonSettings, float]:
    """Try one setting after the other, each at all strengths; return the nearest settings and their strength."""
    best, (nearest, strength) = start, _nearest(photos, ruler, targets, preset, start)
    for name in _FACTORS:
        for candidate in _others(best, start, name):
            distance, at = _nearest(photos, ruler, targets, preset, candidate)
            if distance < nearest:
                best, nearest, strength = candidate, distance, at
    return best, strength


def _others(best: CartoonSettings, start: CartoonSettings, name: str) -> Iterator[CartoonSettings]:
    """Yield `best` with other values of one setting, those that the preset has and allows."""
    own = getattr(start, name)
    for factor in _FACTORS[name]:
        value = type(own)(round(own * factor, 3))
        if value == own:
            continue
        try:
            yield type(start)(**{**best.model_dump(), name: value})
        except ValueError:  # out of the range of this setting
            continue


def _nearest(
    photos: list[Tensor], ruler: Ruler, targets: np.ndarray, preset: str, settings: CartoonSettings
) -> tuple[float, float]:
    """Return the distance at the best of `STRENGTHS`, and that strength. Each picture is drawn once and mixed."""
    found = []
    for photo in photos:
        drawing, plain = _draw(photo, preset, settings, 1.0).float() / 255, photo.float() / 255
        found.append([statistics(torch.lerp(plain, drawing, strength)) for strength in STRENGTHS])
    stacked = np.asarray(found)
    distances = [ruler.distance(stacked[:, k], targets) for k in range(len(STRENGTHS))]
    best = int(np.argmin(distances))
    return distances[best], STRENGTHS[best]


def _taken_for_targets(
    ruler: Ruler, plain: np.ndarray, targets: np.ndarray, untouched: np.ndarray, drawn: np.ndarray
) -> tuple[float, float]:
    """Return the shares of `untouched` and `drawn` that a linear classifier of plain against targets calls targets."""
    from sklearn.linear_model import LogisticRegression

    classifier = LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000)
    classifier.fit(ruler.scaled(np.concatenate([plain, targets])), np.repeat([0, 1], [len(plain), len(targets)]))
    before, after = (float(classifier.predict(ruler.scaled(found)).mean()) for found in (untouched, drawn))
    return before, after
