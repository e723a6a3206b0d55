"""Fingerprints: which pictures are the same, or nearly the same, picture.

A perceptual hash (64 bits of the picture's coarse structure, after Zauner 2010, "Implementation and benchmarking of
perceptual image hash functions", section 3.2.1) finds candidates; `copies.py` decides by the thumbnails. The hash is
exact integer arithmetic, and so the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from kunstkammer.data.single_pass import THUMBNAIL, thumbnail_of

_SCALE = 4096  # of the integer cosines; all sums stay below 2**53 and so are exact in float64
_QUERIES_AT_ONCE = 512
_BRUTE_FORCE_UP_TO = 20_000


def _cosines() -> np.ndarray:
    """Return the rows of the DCT-II that the lowest frequencies need, as whole numbers."""
    places = np.arange(THUMBNAIL) * 2 + 1
    return np.rint(_SCALE * np.cos(np.pi * np.outer(np.arange(12), places) / (2 * THUMBNAIL)))


_COSINES = _cosines()
_LOWEST = sorted(((u, v) for u in range(12) for v in range(12) if u + v), key=lambda uv: (sum(uv), uv))[:64]
_WEIGHTS = np.uint64(1) << np.arange(64, dtype=np.uint64)


def hashes_of_thumbnails(thumbnails: np.ndarray) -> np.ndarray:
    """Return the perceptual hashes, uint64 (N,), of thumbnails, uint8 (N, 32, 32).

    Bit k says whether the k-th lowest frequency of the DCT (the mean left out) is above the median of those 64.
    """
    hashes = np.empty(len(thumbnails), np.uint64)
    for start in range(0, len(thumbnails), 4096):
        pixels = thumbnails[start : start + 4096].astype(np.float64)
        spectrum = _COSINES @ pixels @ _COSINES.T
        lowest = np.stack([spectrum[:, u, v] for u, v in _LOWEST], axis=1)
        bits = lowest > np.median(lowest, axis=1, keepdims=True)
        hashes[start : start + 4096] = (bits * _WEIGHTS).sum(axis=1, dtype=np.uint64)
    return hashes


def perceptual_hash(image: Image.Image) -> int:
    """Return the 64-bit perceptual hash of a picture; those of near duplicates differ in few bits.

    >>> picture = Image.linear_gradient("L")
    >>> (perceptual_hash(picture) ^ perceptual_hash(picture.resize((100, 80)))).bit_count() <= 4
    True
    """
    thumbnail = np.asarray(thumbnail_of(image if image.mode == "L" else image.convert("L")))
    return int(hashes_of_thumbnails(thumbnail[None])[0])


def near_duplicates(hashes: np.ndarray, radius: int) -> np.ndarray:
    """Return the pairs i < j, int64 (M, 2), whose hashes differ in at most `radius` bits; exact, sorted.

    Equal hashes count once: of k pictures that share a hash the first stands for the others, with k - 1 pairs to it,
    and only it is paired with other hashes. So a thousand blank pages give 999 pairs, and no pair that matters is lost.
    """
    if radius < 0 or radius > 64:
        raise ValueError(f"A radius is a number of bits, 0 to 64, not {radius}.")
    values, first, inverse = np.unique(np.asarray(hashes, np.uint64), return_index=True, return_inverse=True)
    others = np.flatnonzero(first[inverse] != np.arange(len(inverse)))
    same = np.stack([first[inverse[others]], others], axis=1)
    near = [first[pairs] for pairs, _ in pair_blocks(values, radius)]
    pairs = np.sort(np.concatenate([same, *near]).astype(np.int64), axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def pair_blocks(values: np.ndarray, radius: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield all pairs i < j, int64 (M, 2), of distinct hashes within `radius` bits, and their distances, int64 (M,).

    In blocks in the order of i, so that a caller that keeps few of them needs little memory.
    """
    import faiss

    if len(values) < 2:
        return
    codes = np.ascontiguousarray(values, dtype=np.uint64).view(np.uint8).reshape(-1, 8)
    if len(values) > _BRUTE_FORCE_UP_TO and radius < 8:
        # Of four parts of 16 bits one differs in at most radius // 4 bits: looking there finds every pair.
        index = faiss.IndexBinaryMultiHash(64, 4, 16)
        index.nflip = radius // 4
    else:
        index = faiss.IndexBinaryFlat(64)  # type: ignore[assignment]
    index.add(codes)
    for start in range(0, len(codes), _QUERIES_AT_ONCE):
        limits, bits, found = index.range_search(codes[start : start + _QUERIES_AT_ONCE], radius + 1)
        queries = start + np.repeat(np.arange(len(limits) - 1), np.diff(limits).astype(np.int64))
        later = found > queries
        yield np.stack([queries[later], found[later]], axis=1), bits[later].astype(np.int64)
