"""Neighbours: cosine of centred features, how far is far, typical examples, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kunstkammer.errors import ModelError
from kunstkammer.models.neighbours import Neighbours


@pytest.fixture
def two_heaps():
    """100 pictures in two heaps of 16 numbers, all positive as after a rectifier, each with another small picture."""
    random = np.random.default_rng(0)
    middle = np.repeat(np.eye(2, 16) * 3 + 5, 50, axis=0)
    features = (middle + random.normal(0, 0.3, (100, 16))).astype(np.float32)
    labels = [["a"]] * 50 + [["b", "c"]] * 50
    return Neighbours.of(features, [bytes([i]) * (i + 1) for i in range(100)], list(map(str, range(100))), labels, "w")


def brute(neighbours, query):
    rows = neighbours.rows @ ((query - neighbours._mean) / np.linalg.norm(query - neighbours._mean))
    return np.argsort(-rows)[:5], np.sort(rows)[::-1][:5]


def test_the_nearest_are_those_of_brute_force(two_heaps):
    random = np.random.default_rng(1)
    queries = (np.eye(2, 16) * 3 + 5 + random.normal(0, 0.3, (2, 16))).astype(np.float32)
    places, likeness = two_heaps.nearest(queries, 5)
    for i, query in enumerate(queries):
        expected, values = brute(two_heaps, query)
        np.testing.assert_array_equal(places[i], expected)
        np.testing.assert_allclose(likeness[i], values, atol=1e-5)
    assert (places[0] < 50).all()
    assert (places[1] >= 50).all()
    assert two_heaps.nearest(queries, 1000)[0].shape == (2, 100)


def test_novelty_is_the_share_that_lies_closer_to_its_own(two_heaps):
    rows = two_heaps.rows
    alike = rows @ rows.T
    np.fill_diagonal(alike, -np.inf)
    own = 1 - alike.max(1)
    np.testing.assert_allclose(two_heaps.distances, np.sort(own), atol=2e-3)
    for distance in (0.0, 0.05, 0.1, 0.9):
        expected = (own < distance).mean()
        assert two_heaps.novelty(np.array([1 - distance]))[0] == pytest.approx(expected, abs=0.02)
    far = np.full((1, 16), 5.0, np.float32)
    far[0, 9] = 50
    assert two_heaps.novelty(two_heaps.nearest(far, 1)[1][:, 0])[0] == 1


def test_examples_are_typical_and_unlike_each_other(two_heaps):
    found = two_heaps.examples("b", 4)
    assert len(set(found)) == 4
    assert all(place >= 50 for place in found)
    rows = two_heaps.rows[50:]
    assert found[0] == 50 + int((rows @ rows.mean(0)).argmax())
    assert two_heaps.examples("c", 4) == found
    assert two_heaps.examples("no", 4) == []
    assert len(two_heaps.examples("a", 999)) == 50


def test_they_are_kept_with_their_pictures_and_bound_to_the_weights(two_heaps, tmp_path):
    assert Neighbours.load(tmp_path, "w") is None
    two_heaps.save(tmp_path)
    again = Neighbours.load(tmp_path, "w")
    assert (again.files, again.labels) == (two_heaps.files, two_heaps.labels)
    assert [again.thumbnail(i) for i in (0, 1, 99)] == [b"\x00", b"\x01" * 2, b"c" * 100]
    np.testing.assert_array_equal(again.rows, two_heaps.rows)
    with pytest.raises(ModelError, match=r"other weights .*fit-neighbours"):
        Neighbours.load(tmp_path, "v")
    facts = tmp_path / "neighbours" / "pictures.json"
    kept = json.loads(facts.read_text())
    facts.write_text(json.dumps({**kept, "pictures": kept["pictures"][:-1]}))
    with pytest.raises(ModelError, match="damaged"):
        Neighbours.load(tmp_path, "w")
    two_heaps.save(tmp_path)
    index = tmp_path / "neighbours" / "index.safetensors"
    index.write_bytes(index.read_bytes()[:-100])
    with pytest.raises(ModelError, match="damaged"):
        Neighbours.load(tmp_path, "w")
