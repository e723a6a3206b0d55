"""The pictures worth looking at are the right ones."""

from __future__ import annotations

import numpy as np

from kunstkammer.evaluation.cases import find_cases
from kunstkammer.evaluation.predictions import Predictions
from kunstkammer.metrics.classification import picture_f1

from .conftest import make


def test_best_are_right_and_worst_are_wrong_the_surest_first(good):
    cases = find_cases(good, 5)
    right = good.probabilities.argmax(axis=1) == good.targets
    sure = good.probabilities.max(axis=1)
    assert all(case.correct for case in cases.best)
    assert not any(case.correct for case in cases.worst)
    assert cases.worst[0].probability == sure[~right].max()
    assert max(case.probability for case in cases.best) == sure[right].max()
    assert [c.probability for c in cases.worst] == sorted((c.probability for c in cases.worst), reverse=True)


def test_the_best_show_every_class_in_turn(good):
    assert {case.truth for case in find_cases(good, 4).best} == {("comic",), ("manga",)}
    assert sum(case.truth == ("comic",) for case in find_cases(good, 4).best) == 2


def test_the_doubtful_have_the_least_margin_and_are_not_shown_twice(good):
    cases = find_cases(good, 6)
    margin = np.abs(good.probabilities[:, 0] - good.probabilities[:, 1])
    shown = {case.index for case in cases.best + cases.worst}
    rest = [i for i in np.argsort(margin) if i not in shown]
    assert [case.index for case in cases.doubtful] == rest[:6]


def test_examples_of_each_class_are_of_that_class(good):
    for label, examples in find_cases(good, 5, per_class=3).per_class.items():
        assert [case.truth for case in examples] == [(label,)] * 3
        assert [case.correct for case in examples] == [True, True, False]


def test_many_labels_are_ordered_by_the_f1_of_the_picture(many):
    cases = find_cases(many, 6)
    f1 = picture_f1(many.targets, many.decided())
    assert [case.score for case in cases.worst] == sorted(f1)[:6]
    assert all(case.score == 1 for case in cases.best)


def test_captions():
    one = find_cases(make(np.array([1, 0]), np.array([[0.9, 0.1], [0.8, 0.2]]), ("comic", "manga")))
    assert one.worst[0].caption == "GT: manga; PRED: comic"
    several = make(np.array([[1, 1], [0, 0]]), np.array([[0.9, 0.8], [0.1, 0.9]]), ("eagle", "zeus"))
    assert {case.caption for case in find_cases(several).all()} == {
        "GT: eagle, zeus; PRED: eagle, zeus",
        "GT: –; PRED: zeus",
    }


def test_without_truth_only_doubt_is_shown(good):
    cases = find_cases(Predictions(good.files, good.label_names, good.probabilities))
    assert not cases.best
    assert not cases.worst
    assert len(cases.doubtful) == 8
    assert cases.doubtful[0].correct is None
    assert cases.doubtful[0].caption.startswith("PRED: ")


def test_nothing_gives_nothing():
    assert find_cases(Predictions([], ("a", "b"), np.zeros((0, 2)))).all() == []
