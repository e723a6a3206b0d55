"""Fingerprints: copies are found however they were saved, look-alikes are left alone."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance
from scipy import fft

from kunstkammer.data import fingerprints
from kunstkammer.data.collection import make_collection
from kunstkammer.data.copies import RADIUS, duplicate_groups, near_copies
from kunstkammer.data.fingerprints import (
    hashes_of_thumbnails,
    near_duplicates,
    pair_blocks,
    perceptual_hash,
)
from kunstkammer.data.likeness import likeness
from kunstkammer.data.survey import survey


def painting(seed: int, size=(240, 320)) -> Image.Image:
    """Soft blots of colour, some of them with a hard edge: a picture of its own for each seed."""
    random = np.random.default_rng(seed)
    ground = Image.fromarray(random.integers(0, 256, (8, 6, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(ground)
    for _ in range(12):
        x, y, r = random.integers(0, size[0]), random.integers(0, size[1]), random.integers(8, 40)
        pen.ellipse((x - r, y - r, x + r, y + r), fill=tuple(random.integers(0, 256, 3).tolist()))
    return ground


def page(seed: int, words: int = 0) -> Image.Image:
    """A page of line art: panels by `seed`, and in two of them words, a pattern by `words`."""
    random = np.random.default_rng(seed)
    sheet = Image.new("L", (300, 420), 255)
    pen = ImageDraw.Draw(sheet)
    edges = [10, *(100 * k + int(random.integers(-35, 36)) for k in (1, 2, 3)), 410]
    for top, bottom in pairwise(edges):
        middle = int(random.integers(80, 220))
        for left, right in ((10, middle), (middle + 6, 290)):
            pen.rectangle((left, top, right, bottom - 6), outline=0, width=3, fill=int(random.integers(120, 230)))
            for _ in range(5):
                x, y, r = random.integers(left, right), random.integers(top, bottom), random.integers(4, 24)
                pen.ellipse((x - r, y - r, x + r, y + r), outline=0, fill=int(random.integers(0, 256)))
    balloon = np.random.default_rng(1000 + words)
    for left, top in ((30, 40), (150, 300)):
        pen.ellipse((left, top, left + 110, top + 70), outline=0, fill=255)
        for row in range(5):
            for column in range(8):
                if balloon.random() < 0.6:
                    x, y = left + 15 + 10 * column, top + 12 + 10 * row
                    pen.rectangle((x, y, x + 8, y + 6), fill=0)
    return sheet


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "jpeg", quality=quality)
    return Image.open(file)


CHANGES = {
    "recompressed": lambda image: jpeg(image, 25),
    "halved": lambda image: image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS),
    "enlarged": lambda image: image.resize((image.width * 2, image.height * 2), Image.Resampling.BICUBIC),
    "brightened": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "darkened": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
    "flattened": lambda image: ImageEnhance.Contrast(image).enhance(0.6),
    "turned grey": lambda image: image.convert("L"),
    "cropped by 1 %": lambda image: image.crop(
        (image.width // 100, image.height // 100, image.width - image.width // 100, image.height - image.height // 100)
    ),
    "cut on one side": lambda image: image.crop((image.width // 50, 0, image.width, image.height)),
}


def looked_at(pictures: list[Image.Image], tmp_path):
    held = []
    for picture in pictures:
        file = io.BytesIO()
        picture.save(file, "png")
        held.append(file.getvalue())
    names = [f"{i}.png" for i in range(len(held))]
    collection = make_collection(name="made", files=names, sources=held, labels=[["a"]] * len(held))
    return survey(collection, cache=tmp_path, show_progress=False)


def pairs_of(groups: np.ndarray) -> set[tuple[int, int]]:
    return {(i, j) for i in range(len(groups)) for j in range(i + 1, len(groups)) if groups[i] == groups[j]}


def test_the_hash_is_the_sign_of_the_lowest_frequencies():
    thumbnails = np.random.default_rng(0).integers(0, 256, (5, 32, 32), dtype=np.uint8)
    for thumbnail, code in zip(thumbnails, hashes_of_thumbnails(thumbnails), strict=True):
        spectrum = fft.dctn(thumbnail.astype(float), type=2)
        lowest = np.array([spectrum[uv] for uv in fingerprints._LOWEST])
        bits = lowest > np.median(lowest)
        assert [int(code) >> k & 1 for k in range(64)] == bits.astype(int).tolist()
        assert int(code).bit_count() == 32


def test_a_hash_does_not_depend_on_what_it_is_computed_with():
    thumbnails = np.random.default_rng(1).integers(0, 256, (50, 32, 32), dtype=np.uint8)
    together = hashes_of_thumbnails(thumbnails)
    assert [int(hashes_of_thumbnails(thumbnail[None])[0]) for thumbnail in thumbnails] == together.tolist()
    assert perceptual_hash(Image.new("RGB", (50, 50), "white")) == 0


@settings(max_examples=40, deadline=None)
@given(
    base=st.lists(st.integers(0, 2**64 - 1), min_size=0, max_size=20),
    flips=st.lists(st.tuples(st.integers(0, 19), st.integers(0, 63), st.integers(0, 63)), max_size=20),
    radius=st.integers(0, 12),
    brute=st.booleans(),
)
def test_the_pairs_are_exactly_those_within_the_radius(base, flips, radius, brute):
    hashes = list(base)
    for i, one, other in flips:
        if i < len(base):
            hashes.append(base[i] ^ (1 << one) ^ (1 << other))
    values = np.unique(np.array(hashes, dtype=np.uint64))
    expected = {
        (i, j): (int(values[i]) ^ int(values[j])).bit_count()
        for i in range(len(values))
        for j in range(i + 1, len(values))
        if (int(values[i]) ^ int(values[j])).bit_count() <= radius
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fingerprints, "_BRUTE_FORCE_UP_TO", 10**9 if brute else 0)
        patch.setattr(fingerprints, "_QUERIES_AT_ONCE", 7)
        found = {}
        for pairs, bits in pair_blocks(values, radius):
            found.update(zip(map(tuple, pairs.tolist()), bits.tolist(), strict=True))
    assert found == expected


def test_near_duplicates_are_sorted_pairs_and_equal_hashes_point_to_their_first():
    hashes = np.array([5, 0, 5, 2**63, 5, 4], dtype=np.uint64)
    assert near_duplicates(hashes, 0).tolist() == [[0, 2], [0, 4]]
    assert near_duplicates(hashes, 1).tolist() == [[0, 2], [0, 4], [0, 5], [1, 3], [1, 5]]
    assert near_duplicates(np.empty(0, np.uint64), 3).shape == (0, 2)
    with pytest.raises(ValueError, match="0 to 64"):
        near_duplicates(hashes, 65)


def test_thousands_of_equal_hashes_do_not_make_millions_of_pairs():
    assert len(near_duplicates(np.zeros(30_000, np.uint64), 6)) == 29_999


@pytest.mark.parametrize("draw", [painting, page])
@pytest.mark.parametrize("change", CHANGES)
def test_copies_are_found_among_other_pictures(tmp_path, draw, change):
    originals = [draw(seed) for seed in range(12)]
    groups = duplicate_groups(looked_at([*originals, *(CHANGES[change](picture) for picture in originals)], tmp_path))
    pairs = pairs_of(groups)
    true = {(i, i + 12) for i in range(12)}
    assert pairs <= true, "pictures that are not copies were put together"
    assert len(pairs) >= 10, "copies were missed"


def test_pages_that_differ_in_their_words_are_not_copies(tmp_path):
    pages = [page(seed, words) for seed in range(6) for words in range(3)]
    assert pairs_of(duplicate_groups(looked_at(pages, tmp_path))) == set()


def test_pictures_of_one_layout_are_not_copies(tmp_path):
    """Discs on white, all in the same place, as coins are photographed; only exact repeats of one are copies."""
    random = np.random.default_rng(0)
    coins = []
    for _ in range(60):
        coin = Image.new("L", (200, 100), 255)
        pen = ImageDraw.Draw(coin)
        for left in (10, 110):
            relief = Image.fromarray(random.integers(90, 150, (10, 10), dtype=np.uint8)).resize((80, 80), 3)
            mask = Image.new("L", (80, 80), 0)
            ImageDraw.Draw(mask).ellipse((0, 0, 79, 79), fill=255)
            coin.paste(relief, (left, 10), mask)
            pen.ellipse((left, 10, left + 80, 90), outline=30, width=3)
        coins.append(coin)
    seen = looked_at([*coins, jpeg(coins[7], 60)], tmp_path)
    assert pairs_of(duplicate_groups(seen)) == {(7, 60)}


def test_equal_files_are_one_group_and_groups_are_numbered_as_they_begin(tmp_path):
    a, b = painting(0), painting(1)
    assert duplicate_groups(looked_at([a, b, a, b, painting(2)], tmp_path)).tolist() == [0, 1, 0, 1, 2]


def test_the_order_of_the_pictures_does_not_matter(tmp_path):
    pictures = [painting(seed) for seed in range(8)]
    pictures += [CHANGES["cropped by 1 %"](picture) for picture in pictures[:4]] + [jpeg(pictures[0], 30)]
    order = np.random.default_rng(0).permutation(len(pictures))
    straight = duplicate_groups(looked_at(pictures, tmp_path))
    shuffled = duplicate_groups(looked_at([pictures[i] for i in order], tmp_path))
    assert pairs_of(straight) == {tuple(sorted((order[i], order[j]))) for i, j in pairs_of(shuffled)}


def test_a_slow_change_is_not_followed_from_copy_to_copy(tmp_path):
    """Each frame is nearly the one before; the first and the last share nothing, and must not be one group."""
    first, last = (np.asarray(painting(seed), dtype=float) for seed in (0, 1))
    frames = [Image.fromarray((first * (1 - t) + last * t).astype(np.uint8)) for t in np.linspace(0, 1, 41)]
    groups = duplicate_groups(looked_at(frames, tmp_path))
    assert groups[0] == groups[1]
    assert max(np.ptp(np.flatnonzero(groups == group)) for group in set(groups.tolist())) <= 16
    assert len(set(groups.tolist())) >= 4


def test_blank_pictures_of_one_tone_are_copies_and_thousands_are_quick():
    from kunstkammer.data.survey import Survey

    n = 5000
    tones = np.random.default_rng(0).choice([0, 1, 254, 255], n)
    thumbnails = np.broadcast_to(tones[:, None, None].astype(np.uint8), (n, 32, 32))
    seen = Survey(
        [f"{i}" for i in range(n)],
        [f"{i:064x}" for i in range(n)],
        np.zeros(n, np.uint64),
        thumbnails,
        np.full((n, 2), 100),
        ["PNG"] * n,
        tones.astype(float),
        np.full(n, 0.5),
        {},
    )
    groups = duplicate_groups(seen)
    assert len(set(groups.tolist())) == 2
    assert ((tones > 100) == (groups == groups[np.argmax(tones > 100)])).all()


def test_unreadable_pictures_are_alone(tmp_path):
    broken = [b"not a picture", b"not a picture", b""]
    collection = make_collection(name="broken", files=["a", "b", "c"], sources=broken, labels=[["x"], ["x"], ["x"]])
    assert duplicate_groups(survey(collection, cache=tmp_path, show_progress=False)).tolist() == [0, 1, 2]


def test_likeness_undoes_a_shift_and_a_tone_curve():
    big = np.asarray(painting(3).convert("L").resize((36, 36), Image.Resampling.BILINEAR))
    one, other = big[2:34, 2:34][None], big[1:33, 3:35][None]
    paler = (255 * (other / 255.0) ** 0.6).astype(np.uint8)
    as_they_lie, _ = likeness(one, paler, align=False)
    laid, spot = likeness(one, paler)
    assert laid[0] > 0.98 > as_they_lie[0]
    assert spot[0] < 0.3
    assert [float(part[0]) for part in likeness(one, one)] == [pytest.approx(1, abs=1e-4), pytest.approx(0, abs=0.02)]


def test_near_copies_of_nothing():
    assert near_copies(np.empty(0, np.uint64), np.empty((0, 32, 32), np.uint8), np.empty((0, 2))).shape == (0, 2)
    assert RADIUS < 12, "the quick search of the hashes holds up to there"


@pytest.mark.real
@pytest.mark.parametrize(("name", "most"), [("comic_manga", 0), ("coins", 0), ("faces", 3)])
def test_real_collections_hold_few_copies(shared, tmp_path, name, most):
    """Looked through by eye: no page and no coin is there twice, of the faces one file and two pairs of film frames."""
    from kunstkammer.data.readers import read

    groups = duplicate_groups(survey(read(shared / "data" / name), cache=tmp_path, show_progress=False))
    assert len(pairs_of(groups)) == most
