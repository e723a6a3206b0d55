"""What to look at next: the unsure, the disputed and the strange, each once, and not what is clear or corrected."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from kunstkammer.web.inference.review import REASONS, alike, next_to_look_at
from kunstkammer.web.inference.served import doubt
from kunstkammer.web.records import Answer, Correction, Facts, Picture, Score

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def answer(model, comic, *, novelty=None, labels=("comic", "manga")):
    shares = np.array([comic, 1 - comic])
    scores = tuple(
        Score(label, float(p), None, bool(p == shares.max())) for label, p in zip(labels, shares, strict=True)
    )
    return Answer(model, "v", scores, True, doubt(shares, many=False), novelty)


def picture(id, *answers, corrected=(), sha=None, size=(300, 400)):
    facts = Facts(sha or f"{id:>064}", "PNG", *size, 1000)
    return Picture(
        str(id), "me", f"{id}.png", facts, NOW, None,
        {one.model: one for one in answers},
        {model: Correction(model, ("comic",), NOW) for model in corrected},
    )  # fmt: skip


def test_each_reason_and_what_is_clear_is_left_out():
    found = next_to_look_at(
        [
            picture(1, answer("a", 0.99)),
            picture(2, answer("a", 0.55)),
            picture(3, answer("a", 0.95), answer("b", 0.1)),
            picture(4, answer("a", 0.97, novelty=0.99)),
            picture(5),
            picture(6, answer("a", 0.98, novelty=0.5)),
        ],
        10,
    )
    assert {one.id: reason for one, reason in found} == {"2": "doubtful", "3": "disagreeing", "4": "far"}
    assert {reason for _, reason in found} == set(REASONS)


def test_the_most_doubtful_first_and_no_more_than_asked():
    pictures = [picture(i, answer("a", p), size=(300, 300 + 30 * i)) for i, p in enumerate([0.6, 0.5, 0.7, 0.55])]
    assert [one.id for one, _ in next_to_look_at(pictures, 3)] == ["1", "3", "0"]
    assert next_to_look_at(pictures, 0) == []
    assert next_to_look_at([], 5) == []


def test_what_was_corrected_is_settled():
    assert next_to_look_at([picture(1, answer("a", 0.5), corrected=["a"])], 5) == []
    both = picture(2, answer("a", 0.5), answer("b", 0.95), corrected=["a"])
    assert next_to_look_at([both], 5) == []
    other = picture(3, answer("a", 0.99), answer("b", 0.5), corrected=["a"])
    assert [reason for _, reason in next_to_look_at([other], 5)] == ["doubtful"]


def test_models_of_other_labels_do_not_disagree():
    assert next_to_look_at([picture(1, answer("a", 0.95), answer("b", 0.95, labels=("cat", "dog")))], 5) == []


def test_twenty_near_copies_count_once_and_come_last():
    copies = [picture(i, answer("a", 0.5 + i / 1000)) for i in range(20)]
    others = [picture(100 + i, answer("a", 0.6 + i / 20)) for i in range(2)]
    assert alike(copies[0], copies[19])
    assert not alike(copies[0], others[0])
    assert not alike(copies[0], picture(7, answer("a", 0.5), size=(400, 300)))
    found = [one.id for one, _ in next_to_look_at([*copies, *others], 4)]
    assert found[:3] == ["0", "100", "101"]
    assert found[3] in {str(i) for i in range(1, 20)}
    same = [picture(i, answer("a", 0.5 + i / 10), sha="s") for i in range(3)]
    assert len(next_to_look_at(same, 5)) == 1


@pytest.mark.parametrize(("shares", "least"), [([0.4, 0.39, *[0.21 / 8] * 8], 0.9), ([0.97, *[0.03 / 9] * 9], 0.0)])
def test_two_labels_close_together_are_doubt_enough(shares, least):
    row = np.array(shares)
    scores = tuple(Score(str(i), float(p), None, i == 0) for i, p in enumerate(row))
    one = picture(1, Answer("a", "v", scores, True, doubt(row, many=False)))
    assert bool(next_to_look_at([one], 1)) == (least > 0)


def test_many_labels_go_by_their_doubt():
    def many(*shares):
        row = np.array(shares)
        scores = tuple(Score(str(i), float(p), None, bool(p > 0.5)) for i, p in enumerate(row))
        return Answer("a", "v", scores, True, doubt(row, many=True))

    found = next_to_look_at([picture(1, many(0.97, 0.98, 0.01)), picture(2, many(0.5, 0.6, 0.4))], 5)
    assert [one.id for one, _ in found] == ["2"]
