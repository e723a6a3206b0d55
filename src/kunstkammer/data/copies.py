"""Copies: the groups of pictures that are one picture, told from those that merely look alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from kunstkammer.data.fingerprints import pair_blocks
from kunstkammer.data.groups import number_in_order
from kunstkammer.data.likeness import fine_structure, likeness

if TYPE_CHECKING:
    from kunstkammer.data.survey import Survey

RADIUS = 8
"""Bits in which the hashes of copies may differ. Of pages cropped by 1 % all are within it, by 2 % four of five."""

# Tuned by eye on comic pages, vector portraits that share their parts, film frames of faces, and coins (see the tests
# for what must be found and what must not): copies differ evenly, look-alikes in a spot.
_CERTAIN = (0.97, 0.14)  # (least correlation, largest spot) of copies wherever they are
_LIKELY = (0.95, 0.50)  # of copies where nothing else looks like them
_LOOK_ALIKE = 0.75  # correlation of pictures that are no copies but make "likely" doubtful
_LAYOUT = 0.45  # correlation with a quarter of all pictures that makes "likely" doubtful: one layout is common to them
_SAMPLE, _FEW = 256, 16  # pictures that this is judged by; among fewer than so many it cannot be
_PLAUSIBLE = 0.45  # correlation before the thumbnails are laid on each other, below which nothing is looked at further

_BLANK_DEVIATION = 1.0  # grey levels at 64 pixels: scanner noise averages out below it, a line of text does not
_BLANK_TONES = 3.0
_MOST_CANDIDATES = 64  # of one picture by Hamming distance, so that ten thousand like pictures stay quick
_MOST_COMPARED = 8  # of those, by correlation
_SAME_HASH_WINDOW, _SAME_HASH_EACH = 32, 8  # of pictures that share a hash: compared with each other, with other hashes
_MOST_ASPECT = 0.1  # difference of the logarithms of the aspect ratios
_AT_ONCE = 8192


def duplicate_groups(survey: Survey) -> np.ndarray:
    """Return the group of each picture, int64 (N,): copies of one picture share a number.

    Equal files are copies, and so are pictures that differ only by compression, scaling, brightness, contrast, tone
    curve or a crop of a percent or two, as far as their thumbnails show it without doubt (`near_copies`).
    Pictures that merely look alike are not: the same page with other words, the next frame of a film, another coin from
    the same die. Each picture of a group is a copy of the group's chief picture, so groups do not grow by chains. Blank
    pictures of one tone are copies. Groups are numbered in the order in which they begin; an unreadable picture is
    alone in its own.
    """
    keys = np.array([digest or f"unreadable {i}" for i, digest in enumerate(survey.sha256)])
    _, first, content = np.unique(keys, return_index=True, return_inverse=True)
    leader = first.copy()
    drawn = survey.readable[first] & (survey.deviations[first] >= _BLANK_DEVIATION)
    blank = np.flatnonzero(survey.readable[first] & ~drawn)
    leader[blank] = first[blank][_leaders_of_tones(survey.means[first[blank]])]
    shown = np.flatnonzero(drawn)
    pictures = first[shown]
    pairs = near_copies(survey.phash[pictures], survey.thumbnails[pictures], survey.sizes[pictures])
    leader[shown] = pictures[_chiefs(len(pictures), pairs)]
    return number_in_order(leader[content.reshape(-1)])


def near_copies(hashes: np.ndarray, thumbnails: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the pairs i < j, int64 (M, 2), of different contents that are copies of one picture.

    Args:
        hashes: uint64 (N,). thumbnails: uint8 (N, 32, 32). sizes: (N, 2), (width, height).
    """
    if len(hashes) < 2:
        return np.empty((0, 2), np.int64)
    fine = fine_structure(thumbnails)
    pairs, rough = _candidates(hashes, thumbnails, sizes, fine)
    if not len(pairs):
        return np.empty((0, 2), np.int64)
    chosen = _best_of_each(pairs, rough)
    correlation, spot = rough.copy(), np.full(len(pairs), np.inf, np.float32)
    one, other = thumbnails[pairs[chosen, 0]], thumbnails[pairs[chosen, 1]]
    there, back = likeness(one, other), likeness(other, one)  # the worse of the two, so that the order does not matter
    correlation[chosen], spot[chosen] = np.minimum(there[0], back[0]), np.maximum(there[1], back[1])
    certain = (correlation >= _CERTAIN[0]) & (spot <= _CERTAIN[1])
    likely = (correlation >= _LIKELY[0]) & (spot <= _LIKELY[1])
    doubted = _alike_all(fine)
    doubted[pairs[~likely & (correlation >= _LOOK_ALIKE)]] = True
    return pairs[certain | (likely & ~doubted[pairs].any(axis=1))]


def _alike_all(fine: np.ndarray) -> np.ndarray:
    """Return bool (N,): pictures of the kind that all look alike, as coins photographed in one way do."""
    if len(fine) < _FEW:
        return np.zeros(len(fine), dtype=bool)
    some = fine[:: -(-len(fine) // _SAMPLE)]
    correlation = np.concatenate([fine[at : at + _AT_ONCE] @ some.T for at in range(0, len(fine), _AT_ONCE)])
    return np.quantile(correlation, 0.75, axis=1) > _LAYOUT


def _candidates(
    hashes: np.ndarray, thumbnails: np.ndarray, sizes: np.ndarray, fine: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs i < j with near hashes and aspects, int64 (M, 2), and how their thumbnails correlate as they lie."""
    aspect = np.log(sizes[:, 0] / np.maximum(sizes[:, 1], 1))
    found, rough = [np.empty((0, 2), np.int64)], [np.empty(0, np.float32)]
    for pairs in _near_hashes(hashes, thumbnails):
        pairs = np.sort(pairs[np.abs(aspect[pairs[:, 0]] - aspect[pairs[:, 1]]) <= _MOST_ASPECT], axis=1)
        for start in range(0, len(pairs), _AT_ONCE):
            some = pairs[start : start + _AT_ONCE]
            correlation = np.einsum("md,md->m", fine[some[:, 0]], fine[some[:, 1]])
            plausible = correlation >= _PLAUSIBLE
            found.append(some[plausible])
            rough.append(correlation[plausible])
    return np.concatenate(found), np.concatenate(rough)


def _near_hashes(hashes: np.ndarray, thumbnails: np.ndarray) -> Iterator[np.ndarray]:
    """Yield pairs of pictures, int64 (M, 2), whose hashes are near; few for each, however many are alike."""
    tones = thumbnails.reshape(len(thumbnails), -1).mean(axis=1)
    order = np.lexsort((tones, hashes))
    values, begin, size = np.unique(hashes[order], return_index=True, return_counts=True)
    shelf_of = np.repeat(np.arange(len(values)), size)
    for step in range(1, min(_SAME_HASH_WINDOW, int(size.max(initial=1)) - 1) + 1):
        same = np.flatnonzero(shelf_of[step:] == shelf_of[:-step])
        yield np.stack([order[same], order[same + step]], axis=1)
    for shelves, bits in pair_blocks(values, RADIUS):
        nearest = np.lexsort((bits, shelves[:, 0]))
        shelves = shelves[nearest]
        shelves = shelves[_rank_within(shelves[:, 0]) < _MOST_CANDIDATES]
        sizes = np.minimum(size[shelves], _SAME_HASH_EACH)
        number = sizes.prod(axis=1)
        place = _rank_within(np.repeat(np.arange(len(shelves)), number))
        left, right = np.divmod(place, np.repeat(sizes[:, 1], number))
        starts = np.repeat(begin[shelves], number, axis=0)
        yield np.stack([order[starts[:, 0] + left], order[starts[:, 1] + right]], axis=1)


def _rank_within(groups: np.ndarray) -> np.ndarray:
    """Return 0, 1, 2, ... within each run of equal values."""
    starts = np.flatnonzero(np.diff(groups, prepend=groups[:1] - 1))
    return np.arange(len(groups)) - np.repeat(starts, np.diff(np.append(starts, len(groups))))


def _best_of_each(pairs: np.ndarray, rough: np.ndarray) -> np.ndarray:
    """Return the places of the pairs that are among the best few of one of their pictures."""
    both = np.concatenate([pairs[:, 0], pairs[:, 1]])
    strength = np.concatenate([rough, rough])
    order = np.lexsort((np.concatenate([pairs[:, 1], pairs[:, 0]]), -strength, both))
    best = order[_rank_within(both[order]) < _MOST_COMPARED]
    return np.unique(best % len(pairs))


def _chiefs(n: int, pairs: np.ndarray) -> np.ndarray:
    """Return for each of n pictures the chief of its group, int64 (n,): a picture that it is a copy of, or itself.

    The picture with most copies becomes a chief and takes them all; then the next among those that are left.
    """
    chief = np.arange(n)
    if not len(pairs):
        return chief
    graph = sparse.coo_matrix(
        (np.ones(2 * len(pairs)), (pairs.T.reshape(-1), pairs[:, ::-1].T.reshape(-1))), shape=(n, n)
    ).tocsr()
    degree = np.diff(graph.indptr)
    free = np.ones(n, dtype=bool)
    for picture in np.lexsort((np.arange(n), -degree)).tolist():
        if not degree[picture]:
            break
        if free[picture]:
            copies = graph.indices[graph.indptr[picture] : graph.indptr[picture + 1]]
            taken = copies[free[copies]]
            chief[taken] = picture
            free[taken] = free[picture] = False
    return chief


def _leaders_of_tones(means: np.ndarray) -> np.ndarray:
    """Group blank pictures by tone; return for each the place of the darkest of its group."""
    leaders = np.empty(len(means), np.int64)
    leader = -1
    for place in np.argsort(means, kind="stable").tolist():
        if leader < 0 or means[place] - means[leader] > _BLANK_TONES:
            leader = place
        leaders[place] = leader
    return leaders
