"""`Detections`: the boxes of one picture, checked once, with their labels and scores. NumPy alone.

Boxes are (left, top, right, bottom) in pixels of the picture everywhere inside Kunstkammer. Other forms exist only at
its edge: `from_coco`, `from_cxcywh`, `from_dict` and their ways back.
"""

from __future__ import annotations

from collections.abc import Collection as AnyCollection
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from kunstkammer.errors import DataError, guess
from kunstkammer.pictures.framing import Affine, Box
from kunstkammer.pictures.visible import Trace

Floats = npt.NDArray[np.float64]

_ROUNDING = 1e-9
"""A visible share is computed in floats; one as close as this to what is asked for is enough."""


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Detections:
    """The boxes in one picture. Immutable; every change gives new ones.

    Attributes:
        boxes: float64 (N, 4), (left, top, right, bottom) in pixels: x to the right, y down, (0, 0) the upper left
            corner of the picture. right >= left and bottom >= top; a box may be empty and may reach out of the picture.
        labels: the name of what is in each box, "" where nothing is said.
        scores: float64 (N,), None for boxes that somebody drew.
        size: (height, width) of the picture in pixels, None where it is not known.

    `where` (a file name, say) stands before what is said of a wrong box. Raises `DataError` for boxes that are not
    (N, 4) finite numbers, a box turned inside out, and labels or scores of another length, with the row counted from 0.

    >>> Detections([(10, 20, 40, 60)], ["cat"]).area.tolist()
    [1200.0]
    """

    boxes: Floats
    labels: tuple[str, ...]
    scores: Floats | None
    size: tuple[int, int] | None

    def __init__(
        self,
        boxes: npt.ArrayLike = (),
        labels: Iterable[str] | None = None,
        scores: npt.ArrayLike | None = None,
        size: Sequence[int] | None = None,
        *,
        where: str = "",
    ) -> None:
        place = f"{where}: " if where else ""
        checked = _numbers(boxes, (-1, 4), f"{place}boxes are to be rows of 4 numbers (left, top, right, bottom)")
        _check_boxes(checked, place)
        names = ("",) * len(checked) if labels is None else tuple(labels)
        if len(names) != len(checked):
            raise DataError(f"{place}{len(names)} labels for {len(checked)} boxes; give one for each.")
        for row, name in enumerate(names):
            if not isinstance(name, str):
                raise DataError(f"{place}the label of box {row} is {name!r}; labels are names, so give it as text.")
        own = None
        if scores is not None:
            own = _numbers(scores, (-1,), f"{place}scores are to be numbers")
            if len(own) != len(checked):
                raise DataError(f"{place}{len(own)} scores for {len(checked)} boxes; give one for each.")
            wrong = np.flatnonzero(~np.isfinite(own))
            if wrong.size:
                raise DataError(f"{place}the score of box {wrong[0]} is {own[wrong[0]]}; give a finite number.")
        sides = None
        if size is not None:
            sides = (int(size[0]), int(size[1]))
            if min(sides) < 1 or len(size) != 2:
                raise DataError(f"{place}a picture of {tuple(size)} is none; give its size as (height, width).")
        for name, value in (("boxes", checked), ("labels", names), ("scores", own), ("size", sides)):
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.boxes)

    def __eq__(self, other: object) -> bool:
        """Return whether both hold the same boxes, to the last bit and in the same order, labels, scores and size."""
        if not isinstance(other, Detections):
            return NotImplemented
        same = np.array_equal(self.boxes, other.boxes) and self.labels == other.labels and self.size == other.size
        if self.scores is None or other.scores is None:
            return same and self.scores is other.scores
        return same and np.array_equal(self.scores, other.scores)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        rows = [
            f"{name or 'box'} ({', '.join(f'{v:g}' for v in box)})"
            for name, box in zip(self.labels, self.boxes, strict=True)
        ]
        more = f", and {len(self) - 3} more" if len(self) > 3 else ""
        return f"Detections({', '.join(rows[:3])}{more})"

    @property
    def area(self) -> Floats:
        """float64 (N,): the area of each box in square pixels."""
        found: Floats = (self.boxes[:, 2] - self.boxes[:, 0]) * (self.boxes[:, 3] - self.boxes[:, 1])
        return found

    # ---- other forms, at the edge only

    @classmethod
    def from_coco(
        cls, rows: npt.ArrayLike, labels: Iterable[str] | None = None, scores: npt.ArrayLike | None = None,
        size: Sequence[int] | None = None, *, where: str = "",
    ) -> Detections:  # fmt: skip
        """Read boxes as COCO has them: [x, y, width, height] in pixels, (x, y) the upper left corner.

        >>> Detections.from_coco([[10, 20, 30, 40]]).boxes.tolist()
        [[10.0, 20.0, 40.0, 60.0]]
        """
        given = _numbers(rows, (-1, 4), f"{where}{': ' if where else ''}COCO boxes are rows of 4 numbers")
        return cls(
            np.concatenate([given[:, :2], given[:, :2] + given[:, 2:]], axis=1), labels, scores, size, where=where
        )

    def to_coco(self) -> Floats:
        """Return float64 (N, 4): [x, y, width, height].

        `from_coco` gives back the same boxes: to the last bit where they lie on a grid (whole pixels, 1/64 of one),
        else to within the rounding of a float, about 1e-12 pixels.
        """
        return np.concatenate([self.boxes[:, :2], self.boxes[:, 2:] - self.boxes[:, :2]], axis=1)

    @classmethod
    def from_cxcywh(
        cls, rows: npt.ArrayLike, labels: Iterable[str] | None = None, scores: npt.ArrayLike | None = None,
        size: Sequence[int] | None = None, *, relative: bool = False, where: str = "",
    ) -> Detections:  # fmt: skip
        """Read boxes as [centre x, centre y, width, height]: in pixels, or `relative` to the picture's `size`, 0 to 1.

        YOLO and DETR have the relative form. Raises `DataError` also where that comes without a size.

        >>> Detections.from_cxcywh([[0.5, 0.5, 0.5, 1.0]], size=(100, 200), relative=True).boxes.tolist()
        [[50.0, 0.0, 150.0, 100.0]]
        """
        given = _numbers(rows, (-1, 4), f"{where}{': ' if where else ''}boxes are rows of 4 numbers (cx, cy, w, h)")
        given = given * _unit(size) if relative else given
        half = given[:, 2:] / 2
        return cls(
            np.concatenate([given[:, :2] - half, given[:, :2] + half], axis=1), labels, scores, size, where=where
        )

    def to_cxcywh(self, *, relative: bool = False) -> Floats:
        """Return float64 (N, 4): [centre x, centre y, width, height], in pixels or as shares of the picture's size."""
        start, end = self.boxes[:, :2], self.boxes[:, 2:]
        found = np.concatenate([(start + end) / 2, end - start], axis=1)
        return found / _unit(self.size) if relative else found

    @classmethod
    def from_dict(
        cls, values: Mapping[str, Any], names: Sequence[str] | None = None, size: Sequence[int] | None = None
    ) -> Detections:
        """Read what detectors of torchvision and `transformers` give: {"boxes": (N, 4), "labels": (N,), "scores"}.

        Arrays or tensors; `names[k]` is the name of label k. Raises `DataError` for numbers without names.
        """
        boxes, given, scores = (_plain(values.get(key)) for key in ("boxes", "labels", "scores"))
        if boxes is None:
            raise DataError(f"There is no key 'boxes'; there are: {', '.join(map(str, values)) or 'none'}.")
        numbers = None if given is None else np.asarray(given).tolist()
        return cls(boxes, None if numbers is None else [_named(one, names) for one in numbers], scores, size)

    def to_dict(self, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
        """Return {"boxes": float64 (N, 4), "labels": int64 (N,), "scores": float64 (N,) if any}; label k is `names[k]`.

        Raises `DataError` for a label that is not among the names.
        """
        place = {name: k for k, name in enumerate(names)}
        for name in self.labels:
            if name not in place:
                raise DataError(f"There is no number for the label '{name}'.{guess(name, list(names))}")
        found: dict[str, npt.NDArray[Any]] = {
            "boxes": self.boxes, "labels": np.array([place[name] for name in self.labels], dtype=np.int64),
        }  # fmt: skip
        return found if self.scores is None else found | {"scores": self.scores}

    # ---- choosing

    def select(self, rows: Sequence[int] | npt.NDArray[Any]) -> Detections:
        """Return the boxes at these places, or where a mask bool (N,) is true."""
        chosen = np.asarray(rows)
        if chosen.dtype == bool and chosen.shape != (len(self),):
            raise DataError(f"A mask of {chosen.shape} for {len(self)} boxes; give one value for each.")
        places = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64).reshape(-1)
        wrong = places[(places < 0) | (places >= len(self))]
        if wrong.size:
            raise DataError(f"There is no box {wrong[0]}; there are {len(self)}, counted from 0.")
        scores = None if self.scores is None else self.scores[places]
        return Detections(self.boxes[places], [self.labels[k] for k in places], scores, self.size)

    def filter(
        self, labels: AnyCollection[str] | None = None, *, score: float | None = None, area: float | None = None
    ) -> Detections:
        """Return the boxes of these labels, with at least this score, and of at least this area in square pixels."""
        keep = np.ones(len(self), dtype=bool)
        if labels is not None:
            wanted = {labels} if isinstance(labels, str) else set(labels)
            keep &= np.array([name in wanted for name in self.labels], dtype=bool)
        if score is not None:
            keep &= self._scored("a least score") >= score
        if area is not None:
            keep &= self.area >= area
        return self.select(keep)

    @classmethod
    def concatenate(cls, parts: Iterable[Detections]) -> Detections:
        """Return the boxes of one picture from several sources, one after the other.

        Raises `DataError` where only some have scores, or where they are of pictures of different sizes.
        """
        parts = list(parts)
        sizes = sorted({part.size for part in parts if part.size is not None})
        if len(sizes) > 1:
            raise DataError(f"Boxes of pictures of {sizes[0]} and {sizes[1]} (height, width) are not of one picture.")
        filled = [part for part in parts if len(part)] or parts[:1]
        scores = [part.scores for part in filled if part.scores is not None]
        if scores and len(scores) < len(filled):
            raise DataError("Some of the boxes have scores and some have none; give all of them scores, or none.")
        boxes = np.concatenate([part.boxes for part in filled]) if filled else ()
        names = [name for part in filled for name in part.labels]
        return cls(boxes, names, np.concatenate(scores) if scores else None, sizes[0] if sizes else None)

    # ---- geometry

    def clip(self, size: Sequence[int] | None = None) -> Detections:
        """Return the boxes cut off at the edges of the picture, all of them: one that lies outside becomes empty."""
        sides = self._sides(size)
        limits = np.array([sides[1], sides[0]] * 2, dtype=np.float64)
        return Detections(np.clip(self.boxes, 0.0, limits), self.labels, self.scores, sides)

    def moved(self, affine: Affine, within: tuple[int, int] | None = None, *, visible: float = 0.0) -> Detections:
        """Return the upright boxes around the moved ones; see `followed` for `within` and `visible`.

        >>> Detections([(0, 0, 10, 10), (40, 0, 50, 10)]).moved(Affine.shift(-5, 0), (50, 50)).boxes.tolist()
        [[0.0, 0.0, 5.0, 10.0], [35.0, 0.0, 45.0, 10.0]]
        """
        return self.followed([affine], within, visible=visible)

    def followed(
        self, changes: Sequence[Affine | Box], within: tuple[int, int] | None = None, *, visible: float = 0.0
    ) -> Detections:
        """Return the boxes after a row of changes of their picture: an `Affine` moves it, a `Box` hides that part.

        within: (height, width) of the picture after each move. Boxes are cut off at its edges, and one is left out when
            nothing of it, or less than the share `visible` of its area, lies inside and is not hidden. Hiding alone
            makes no box smaller. Without it all boxes are kept.
        """
        if not 0 <= visible <= 1:
            raise ValueError(f"The visible share is {visible}; give one from 0 to 1.")
        kept, boxes = [], []
        for row, box in enumerate(self.boxes):
            trace = Trace(box)
            for change in changes:
                if isinstance(change, Affine):
                    trace.move(change, within)
                else:
                    trace.hide(change)
            if within is None or 0 < trace.share >= visible - _ROUNDING:
                kept.append(row)
                boxes.append(trace.box)
        return replace(self.select(kept), boxes=np.array(boxes).reshape(-1, 4), size=within)

    def mask(self, size: Sequence[int] | None = None) -> npt.NDArray[np.bool_]:
        """Return bool (height, width): the pixels whose centre lies in a box or on its edge."""
        height, width = self._sides(size)
        rows, columns = np.mgrid[:height, :width] + 0.5
        inside = np.zeros((height, width), dtype=bool)
        for left, top, right, bottom in self.boxes:
            inside |= (columns >= left) & (columns <= right) & (rows >= top) & (rows <= bottom)
        return inside

    def iou(self, other: Detections) -> Floats:
        """Return float64 (N, M): for each two boxes the area that both cover over the area that either covers.

        0 for two boxes without an area.

        >>> Detections([(0, 0, 2, 2)]).iou(Detections([(1, 0, 3, 2), (5, 5, 6, 6)])).round(4).tolist()
        [[0.3333, 0.0]]
        """
        start = np.maximum(self.boxes[:, None, :2], other.boxes[None, :, :2])
        end = np.minimum(self.boxes[:, None, 2:], other.boxes[None, :, 2:])
        both = np.maximum(end - start, 0.0).prod(axis=2)
        either = self.area[:, None] + other.area[None, :] - both
        found: Floats = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
        return found

    def nms(self, iou: float = 0.5) -> Detections:
        """Return the best of overlapping boxes of one label, the best first (non-maximum suppression, greedy).

        A box goes when it overlaps one that is kept by more than `iou`. Of two equal scores the earlier one is better.
        """
        order = np.argsort(-self._scored("non-maximum suppression"), kind="stable")
        ranked = self.select(order)
        overlap = ranked.iou(ranked) > iou
        overlap &= np.array(ranked.labels)[:, None] == np.array(ranked.labels)[None, :]
        kept: list[int] = []
        gone = np.zeros(len(self), dtype=bool)
        for row in range(len(self)):
            if not gone[row]:
                kept.append(row)
                gone |= overlap[row]
        return ranked.select(kept)

    def _sides(self, size: Sequence[int] | None) -> tuple[int, int]:
        sides = self.size if size is None else (int(size[0]), int(size[1]))
        if sides is None:
            raise DataError("The size of the picture is not known; give it as (height, width).")
        return sides

    def _scored(self, what: str) -> Floats:
        if self.scores is None:
            raise DataError(f"These boxes have no scores, which {what} needs.")
        return self.scores


def _numbers(values: npt.ArrayLike, shape: tuple[int, ...], wish: str) -> Floats:
    """Return a float64 copy that cannot be written to; `DataError` for what is not of that shape."""
    try:
        array = np.array(_plain(values), dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise DataError(f"{wish}: {' '.join(str(error).split())}.") from error
    if not array.size:
        array = array.reshape(tuple(max(0, side) for side in shape))
    if array.ndim != len(shape) or any(
        wanted not in (-1, side) for wanted, side in zip(shape, array.shape, strict=True)
    ):
        raise DataError(f"{wish}, not an array of {array.shape}.")
    array.setflags(write=False)
    return array


def _check_boxes(boxes: Floats, place: str) -> None:
    def text(row: np.intp) -> str:
        return f"{place}box {row} is ({', '.join(f'{value:g}' for value in boxes[row])})"

    endless = np.flatnonzero(~np.isfinite(boxes).all(axis=1))
    if endless.size:
        raise DataError(f"{text(endless[0])}; its numbers must be finite.")
    turned = np.flatnonzero((boxes[:, 2:] < boxes[:, :2]).any(axis=1))
    if turned.size:
        raise DataError(f"{text(turned[0])}: it ends before it begins; give left, top, right, bottom.")


def _plain(values: Any) -> Any:
    """Return a tensor, of any device, as an array; anything else as it is."""
    return values.detach().cpu().numpy() if hasattr(values, "detach") else values


def _unit(size: Sequence[int] | None) -> Floats:
    if size is None:
        raise DataError("Boxes relative to their picture need its size; give it as (height, width).")
    return np.array([size[1], size[0]] * 2, dtype=np.float64)


def _named(value: Any, names: Sequence[str] | None) -> str:
    if isinstance(value, str):
        return value
    if names is None or not 0 <= value < len(names):
        known = "no names are given" if names is None else f"there are {len(names)} names"
        raise DataError(f"Label {value} has no name ({known}); give the names of all labels, in order.")
    return names[value]
