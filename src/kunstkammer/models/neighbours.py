"""The training pictures that a model's features put near to a new one, and how far from them all it lies. No torch.

`kunstkammer fit-neighbours RUN DATA` writes RUN/neighbours/: `index.safetensors` and `pictures.json`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kunstkammer.errors import ModelError
from kunstkammer.files import atomic_folder, write_json

NEIGHBOURS_FOLDER = "neighbours"
INDEX_FILE, PICTURES_FILE = "index.safetensors", "pictures.json"
FORMAT = "kunstkammer-neighbours-1"
HOW_TO_FIT = "Fit them with: kunstkammer fit-neighbours RUN DATA"

_ROWS_AT_ONCE = 512


class Neighbours:
    """Training pictures of one model.

    Likeness is the cosine of features from which the mean of the training pictures is taken away: features after a
    rectifier are all positive, and would all be alike otherwise.

    Attributes:
        files: their names in the collection.
        labels: what each shows.
        weights: the SHA-256 of the weights that gave the features.
        rows: float32 (N, D), centred and of length 1.
        distances: float32 (N,), sorted: 1 - likeness of each one's own nearest other one.
    """

    def __init__(
        self,
        features: np.ndarray,
        mean: np.ndarray,
        distances: np.ndarray,
        thumbnails: tuple[np.ndarray, np.ndarray],
        files: Sequence[str],
        labels: Sequence[Sequence[str]],
        weights: str,
    ) -> None:
        """`features` float16 (N, D) as `rows`; `thumbnails` are all bytes (uint8) and where each ends (int64 (N,))."""
        self.files, self.labels, self.weights = tuple(files), tuple(map(tuple, labels)), weights
        self.rows = unit(features.astype(np.float32))
        self.distances = np.sort(distances)
        self._features, self._mean, self._own, self._thumbnails = features, mean, distances, thumbnails

    def __len__(self) -> int:
        return len(self.files)

    @classmethod
    def of(
        cls,
        features: np.ndarray,
        thumbnails: Sequence[bytes],
        files: Sequence[str],
        labels: Sequence[Sequence[str]],
        weights: str,
    ) -> Neighbours:
        """Build them from raw features (N, D), N >= 2, and a small picture of each."""
        mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
        rows = unit(features - mean).astype(np.float16)
        nearest = np.empty(len(rows), np.float32)
        single = unit(rows.astype(np.float32))
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            alike = single[start : start + _ROWS_AT_ONCE] @ single.T
            here = np.arange(len(alike))
            alike[here, start + here] = -np.inf
            nearest[start : start + _ROWS_AT_ONCE] = alike.max(axis=1)
        ends = np.cumsum([len(one) for one in thumbnails], dtype=np.int64)
        joined = np.frombuffer(b"".join(thumbnails), np.uint8)
        return cls(rows, mean, np.clip(1 - nearest, 0, 2), (joined, ends), files, labels, weights)

    def nearest(self, features: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the places of the k nearest, int64 (n, k), and their likeness, float32 (n, k), for features (n, D)."""
        alike = unit(np.asarray(features, dtype=np.float32) - self._mean) @ self.rows.T
        k = min(k, len(self))
        few = np.argpartition(-alike, k - 1, axis=1)[:, :k]
        values = np.take_along_axis(alike, few, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        return np.take_along_axis(few, order, axis=1), np.clip(np.take_along_axis(values, order, axis=1), -1, 1)

    def novelty(self, likeness: np.ndarray) -> np.ndarray:
        """Return the share of training pictures that lie closer to their nearest than 1 - `likeness` (n,): (n,).

        The distance to the nearest in normalised features as a sign of what was never seen: Sun et al. 2022,
        "Out-of-Distribution Detection with Deep Nearest Neighbors", section 3 (there to the k-th).
        """
        return np.searchsorted(self.distances, 1 - likeness, side="left") / len(self)

    def thumbnail(self, place: int) -> bytes:
        """Return the small picture at a place, WebP."""
        joined, ends = self._thumbnails
        return joined[ends[place - 1] if place else 0 : ends[place]].tobytes()

    def examples(self, label: str, k: int) -> list[int]:
        """Return the places of up to k pictures of a label: the most typical one, then ones unlike those before.

        Of the half that lies nearest to the label's mean, so that no odd one stands for it.
        """
        places = np.array([i for i, own in enumerate(self.labels) if label in own], dtype=np.int64)
        if not len(places):
            return []
        rows = self.rows[places]
        order = np.argsort(-(rows @ rows.mean(axis=0)), kind="stable")[: max(k, (len(places) + 1) // 2)]
        rows, places = rows[order], places[order]
        chosen = [0]
        likest = rows @ rows[0]
        while len(chosen) < min(k, len(places)):
            likest[chosen] = np.inf
            chosen.append(int(likest.argmin()))
            likest = np.maximum(likest, rows @ rows[chosen[-1]])
        return places[chosen].tolist()

    def save(self, run: str | Path) -> Path:
        """Write RUN/neighbours/, whole or not at all. Raises `ResourceError` when the disk refuses."""
        from safetensors.numpy import save

        joined, ends = self._thumbnails
        tensors = {
            "features": self._features, "mean": self._mean, "distances": self._own,
            "thumbnails": joined, "ends": ends,
        }  # fmt: skip
        folder = Path(run) / NEIGHBOURS_FOLDER
        with atomic_folder(folder) as partial:
            (partial / INDEX_FILE).write_bytes(save({name: np.ascontiguousarray(t) for name, t in tensors.items()}))
            pictures = [{"file": f, "labels": list(own)} for f, own in zip(self.files, self.labels, strict=True)]
            write_json(partial / PICTURES_FILE, {"format": FORMAT, "weights": self.weights, "pictures": pictures})
        return folder

    @classmethod
    def load(cls, run: str | Path, weights: str) -> Neighbours | None:
        """Read what `save` wrote; None where there is nothing. Raises `ModelError` for others' or damaged ones."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        folder = Path(run) / NEIGHBOURS_FOLDER
        if not folder.is_dir():
            return None
        try:
            facts = json.loads((folder / PICTURES_FILE).read_text(encoding="utf-8"))
            if facts["format"] != FORMAT:
                raise ValueError("another format")
            tensors = load_file(folder / INDEX_FILE)
            pictures = facts["pictures"]
            found = cls(
                tensors["features"], tensors["mean"], tensors["distances"], (tensors["thumbnails"], tensors["ends"]),
                [row["file"] for row in pictures], [row["labels"] for row in pictures], facts["weights"],
            )  # fmt: skip
            if {len(tensors[name]) for name in ("features", "distances", "ends")} != {len(found)} or not len(found):
                raise ValueError("its parts do not fit together")
        except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
            raise ModelError(f"The neighbours in {folder} are damaged ({error}). {HOW_TO_FIT}") from error
        if found.weights != weights:
            raise ModelError(
                f"The neighbours in {folder} belong to other weights ({found.weights[:12]}, these are {weights[:12]}). "
                f"{HOW_TO_FIT}"
            )
        return found


def unit(rows: np.ndarray) -> np.ndarray:
    """Return rows of length 1, (N, D); rows of zeros stay so.

    >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0, length, 1)
