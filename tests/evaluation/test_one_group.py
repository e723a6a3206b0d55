"""Pictures that all belong to one group: intervals over the pictures, and a note that says what they do not say."""

import numpy as np

from kunstkammer.evaluation.evaluate import evaluate_predictions
from kunstkammer.evaluation.predictions import Predictions


def judged(groups):
    random = np.random.default_rng(0)
    targets = random.integers(0, 2, 100)
    said = np.where(random.random(100) < 0.3, 1 - targets, targets)
    predictions = Predictions([str(i) for i in range(100)], ("a", "b"), 0.8 * np.eye(2)[said] + 0.1, targets)
    return evaluate_predictions(predictions, prior=None, groups=groups, resamples=200)


def test_the_intervals_are_those_over_pictures_and_a_note_says_so():
    one, none = judged(["style"] * 100), judged(None)
    assert one.metrics == none.metrics
    assert one.metrics["balanced_accuracy"].low < one.metrics["balanced_accuracy"].value
    assert "say nothing of another one" in next(note.text for note in one.notes if note.key == "one_group")
    assert not [note for note in none.notes if note.key == "one_group"]
    assert not [note for note in judged(["x", "y"] * 50).notes if note.key == "one_group"]
