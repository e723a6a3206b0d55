"""The domain classifier: 0.5 for two halves of one set, 1 for sets apart; class shares alone do not count."""

from __future__ import annotations

import numpy as np
import pytest

from kunstkammer.errors import DataError
from kunstkammer.evaluation.domain_shift import domain_auc, plane


def features(n: int, seed: int, *, shift: float = 0.0, shares=(0.5, 0.5), width: int = 32):
    """Two classes three apart in one direction; `shift` moves all of them in another."""
    rng = np.random.default_rng(seed)
    classes = rng.choice(len(shares), n, p=shares)
    found = rng.normal(size=(n, width))
    found[:, 0] += 3 * classes
    found[:, 1] += shift
    return found.astype(np.float32), classes


def test_two_halves_of_one_set_cannot_be_told_apart():
    inside = 0
    for seed in range(10):
        (a, ca), (b, cb) = features(100, 2 * seed), features(100, 2 * seed + 1)
        found = domain_auc(a, b, ca, cb, resamples=200, seed=seed)
        assert found.value == pytest.approx(0.5, abs=0.15)
        assert found.within_class.value == pytest.approx(0.5, abs=0.17)
        inside += found.low <= 0.5 <= found.high
    assert inside >= 6


def test_sets_apart_are_told_apart_in_each_class_too():
    (a, ca), (b, cb) = features(150, 0), features(100, 1, shift=6.0)
    found = domain_auc(a, b, ca, cb)
    assert found.value > 0.99
    assert found.low <= found.value <= found.high <= 1
    assert found.low < 1
    assert found.within_class.value > 0.99
    assert set(found.by_class) == {0, 1}
    assert (found.n_a, found.n_b) == (150, 100)


def test_other_class_shares_alone_raise_the_plain_value_but_not_the_one_within_classes():
    (a, ca), (b, cb) = features(400, 0, shares=(0.9, 0.1)), features(400, 1, shares=(0.1, 0.9))
    found = domain_auc(a, b, ca, cb)
    assert found.value > 0.8
    assert found.within_class.value == pytest.approx(0.5, abs=0.1)


def test_a_weak_shift_lies_between():
    (a, ca), (b, cb) = features(300, 0), features(300, 1, shift=1.0)
    found = domain_auc(a, b, ca, cb)
    assert 0.65 < found.within_class.value < 0.85  # the best there is: Phi(1 / sqrt 2) = 0.76


def test_pairs_stay_in_one_fold():
    a, classes = features(120, 0)
    same = domain_auc(a, a, classes, classes, groups_a=np.arange(120), groups_b=np.arange(120))
    assert same.value == pytest.approx(0.5, abs=1e-6)
    again = a + np.random.default_rng(0).normal(size=a.shape).astype(np.float32) * 1e-4
    copied = domain_auc(a, again[::-1].copy(), classes, classes[::-1].copy())
    assert copied.value == pytest.approx(0.5, abs=0.05), "copies are seen without being named"


def test_without_classes_and_with_many_labels():
    (a, ca), (b, cb) = features(80, 0), features(80, 1, shift=5)
    assert domain_auc(a, b).within_class is None
    many_a, many_b = (np.stack([c, 1 - c], axis=1).astype(np.float32) for c in (ca, cb))
    assert domain_auc(a, b, many_a, many_b).within_class.value > 0.95
    assert domain_auc(a, b, np.full(80, -1), np.full(80, -1)).within_class is None


def test_rare_classes_and_constant_features_do_no_harm():
    (a, ca), (b, cb) = features(60, 0), features(60, 1)
    a[:, 5:], b[:, 5:] = 1, 1
    ca[:3], cb[:2] = 7, 9
    found = domain_auc(a, b, ca, cb)
    assert 0.2 < found.value < 0.8
    assert set(found.by_class) <= {0, 1}


def test_the_same_seed_gives_the_same():
    (a, ca), (b, cb) = features(60, 0), features(60, 1, shift=1)
    assert domain_auc(a, b, ca, cb, seed=3) == domain_auc(a, b, ca, cb, seed=3)


def test_bad_input():
    a, _ = features(40, 0)
    with pytest.raises(DataError, match="needs 10 pictures"):
        domain_auc(a, a[:9])
    with pytest.raises(DataError, match="shapes"):
        domain_auc(a, a[:, :5])
    with pytest.raises(DataError, match="finite"):
        domain_auc(a, a * np.nan)


class TestPlane:
    def test_sets_apart_lie_apart_and_the_same_seed_gives_the_same(self):
        (a, _), (b, _) = features(60, 0), features(50, 1)
        b[:, 8:] += 3
        found, again = plane(a, b), plane(a, b)
        assert found.method == "t-SNE"
        assert np.array_equal(found.points_a, again.points_a)
        both = np.concatenate([found.points_a, found.points_b])
        assert both.min() >= 0
        assert both.max() <= 1
        middle = [p.mean(axis=0) for p in (found.points_a, found.points_b)]
        assert np.linalg.norm(middle[0] - middle[1]) > 0.25

    def test_few_pictures_and_equal_ones(self):
        a, _ = features(10, 0)
        assert plane(a, a[:4]).method == "PCA"
        equal = plane(np.ones((40, 8)), np.ones((40, 8)))
        assert np.isfinite(equal.points_a).all()
        assert plane(a[:, :1], a[:, :1]).points_a.shape == (10, 2)

    def test_many_pictures_are_thinned_out(self):
        a, _ = features(80, 0)
        found = plane(a, a, most=30)
        assert len(found.points_a) == len(found.rows_a) == 30
        assert len(set(found.rows_a)) == 30
