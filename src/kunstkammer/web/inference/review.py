"""What a person should look at next: where a model is unsure, where models disagree, what they never saw the like of.

That is where a correction teaches most: uncertainty sampling (Lewis and Gale 1994), query by committee (Seung et al.
1992). Near-copies come after everything else, since one of them says what all do (Brinker 2003, diversity).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from kunstkammer.web.records import Answer, Picture

DOUBTFUL, DISAGREEING, FAR = "doubtful", "disagreeing", "far"
REASONS = (DOUBTFUL, DISAGREEING, FAR)
"""Machine keys; the pages translate them."""

LEAST_DOUBT = 0.5
"""Below this a model counts as sure: with two labels, 0.75 and 0.25."""

LEAST_NOVELTY = 0.95
"""A picture is far when so many of the training pictures lie closer to their nearest."""

ALIKE = 0.03
"""Near-copies: pictures of one proportion whose answers differ by no more than this in any probability."""


def next_to_look_at(pictures: Iterable[Picture], limit: int) -> list[tuple[Picture, str]]:
    """Return up to `limit` pictures, what matters most first, each with its reason (one of `REASONS`).

    A model whose answer was corrected has nothing to learn from the picture any more; pictures that are clear to all
    models, or corrected for all, are left out. Of one content only one picture is named.
    """
    found: list[tuple[float, str, Picture]] = []
    seen: set[str] = set()
    for picture in pictures:
        answers = [answer for name, answer in sorted(picture.answers.items()) if name not in picture.corrections]
        urgency, reason = max((_urgency(answers, reason), reason) for reason in REASONS)
        if urgency > 0 and picture.facts.sha256 not in seen:
            seen.add(picture.facts.sha256)
            found.append((urgency, reason, picture))
    found.sort(key=lambda row: -row[0])
    first: list[tuple[Picture, str]] = []
    copies: list[tuple[Picture, str]] = []
    for _, reason, picture in found:
        if len(first) == limit:
            break
        (copies if any(alike(picture, other) for other, _ in first) else first).append((picture, reason))
    return [*first, *copies][: max(limit, 0)]


def alike(one: Picture, other: Picture) -> bool:
    """Say whether two pictures are, as far as their answers and proportions tell, near-copies."""
    a, b = one.facts, other.facts
    if abs(a.width * b.height - b.width * a.height) > 0.02 * a.width * b.height:
        return False
    if one.answers.keys() != other.answers.keys() or not one.answers:
        return False
    return all(_distance(one.answers[name], other.answers[name]) <= ALIKE for name in one.answers)


def _urgency(answers: list[Answer], reason: str) -> float:
    """Return from 0 (not for this reason) to 1."""
    if reason == DOUBTFUL:
        unsure = max((_unsure(answer) for answer in answers), default=0.0)
        return unsure if unsure >= LEAST_DOUBT else 0.0
    if reason == DISAGREEING:
        return max((_disagreement(one, other) for one, other in combinations(answers, 2)), default=0.0)
    novelty = max((answer.novelty or 0.0 for answer in answers), default=0.0)
    return (novelty - 0.75) / 0.25 if novelty >= LEAST_NOVELTY else 0.0


def _unsure(answer: Answer) -> float:
    """Return the doubt, or how near the second label comes to the first where one is to be said of many."""
    if sum(score.probability for score in answer.scores) > 1.01 or len(answer.scores) < 2:  # many labels a picture
        return answer.doubt
    first, second = sorted((score.probability for score in answer.scores), reverse=True)[:2]
    return max(answer.doubt, 1 - (first - second) if second > 0.25 else 0.0)


def _disagreement(one: Answer, other: Answer) -> float:
    """Return how far two models that know the same labels are apart where they say different ones."""
    if set(_table(one)) != set(_table(other)) or set(one.labels) == set(other.labels):
        return 0.0
    return 0.5 + 0.5 * _distance(one, other)


def _distance(one: Answer, other: Answer) -> float:
    a, b = _table(one), _table(other)
    return max((abs(a.get(label, 0.0) - b.get(label, 0.0)) for label in a.keys() | b.keys()), default=0.0)


def _table(answer: Answer) -> dict[str, float]:
    return {score.label: score.probability for score in answer.scores}
