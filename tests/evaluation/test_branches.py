"""What each branch of a scene model is worth: values as the metrics have them, leads on the same resamples."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from kunstkammer.errors import DataError
from kunstkammer.evaluation.branches import compare_branches, presence_notes
from kunstkammer.evaluation.predictions import Predictions


def answers(n=300, noise=(0.3, 0.8, 0.8), seed=0):
    random = np.random.default_rng(seed)
    truth = (random.random((n, 3)) < 0.4).astype(np.float32)
    files = [f"{i}.png" for i in range(n)]
    return {
        name: Predictions(
            files, ("a", "b", "c"), 1 / (1 + np.exp(-(truth - 0.5 + random.normal(0, s, truth.shape)))), truth, True
        )
        for name, s in zip(("both", "picture", "text"), noise, strict=True)
    }


def test_values_are_the_mean_over_the_labels_as_scikit_learn_has_it():
    found = answers()
    compared = compare_branches(found, told=np.ones(300, bool), resamples=200)
    for row in compared.rows:
        own = found[row.name]
        assert row.metrics["roc_auc"].value == pytest.approx(roc_auc_score(own.targets, own.probabilities))
    both, picture, _ = compared.rows
    assert both.leads == {}
    lead = picture.leads["roc_auc"]
    assert lead.value == pytest.approx(both.metrics["roc_auc"].value - picture.metrics["roc_auc"].value)
    assert lead.low < lead.value < lead.high
    assert compared.together_is_better


def test_a_lead_that_chance_explains_is_not_claimed():
    found = answers(n=60, noise=(0.8, 0.8, 0.8), seed=3)
    assert not compare_branches(found, told=np.ones(60, bool), resamples=200).together_is_better
    same = dict.fromkeys(found, found["both"])
    equal = compare_branches(same, told=np.ones(60, bool), resamples=200)
    lead = equal.rows[1].leads["roc_auc"]
    assert (lead.value, lead.low, lead.high) == (0, 0, 0)
    assert not equal.together_is_better


def test_other_pictures_or_no_truth_are_refused():
    found = answers(n=20)
    with pytest.raises(DataError, match="different pictures"):
        compare_branches({**found, "text": found["text"].select(range(10))}, told=np.ones(20, bool))
    for one in found.values():
        one.targets = None
    with pytest.raises(DataError, match="None of these pictures has a label"):
        compare_branches(found, told=np.ones(20, bool))


def test_text_that_only_one_label_has_is_named():
    targets = np.array([0] * 20 + [1] * 20)
    (note,) = presence_notes(targets == 0, targets, ("comic", "manga"))
    assert "100 in 100 of those labelled “comic” have some, 0 in 100" in note.text
    assert "Bezeichnung" in note.sentence("de")
    assert presence_notes(np.ones(40, bool), targets, ("comic", "manga")) == []
    assert presence_notes(targets == 0, np.array([0] * 35 + [1] * 5), ("comic", "manga")) == [], "too few to say"
