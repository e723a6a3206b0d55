"""`check`: look a collection over before anything is learned from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from kunstkammer.data.box_inspections import box_findings, inspect_boxes
from kunstkammer.data.collection import SPLITS, Collection
from kunstkammer.data.copies import duplicate_groups
from kunstkammer.data.health import SEVERITIES, Finding, Health
from kunstkammer.data.inspections import INSPECTIONS
from kunstkammer.data.readers import read
from kunstkammer.data.survey import Survey
from kunstkammer.data.survey import survey as make_survey
from kunstkammer.errors import DataError


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the inspections look at: the collection, its survey, and the groups of pictures that are the same."""

    collection: Collection
    survey: Survey

    @cached_property
    def readable(self) -> np.ndarray:
        """bool (N,): whether each picture could be decoded."""
        return self.survey.readable

    @cached_property
    def groups(self) -> list[tuple[int, ...]]:
        """The groups of two or more pictures that are the same, exactly or nearly, in the order of the collection."""
        members: dict[int, list[int]] = {}
        for i, group in enumerate(duplicate_groups(self.survey).tolist()):
            if self.readable[i]:
                members.setdefault(group, []).append(i)
        return [tuple(group) for group in members.values() if len(group) > 1]

    @cached_property
    def copies(self) -> list[tuple[int, ...]]:
        """The groups of two or more files that are the same, byte for byte."""
        return [own for own in self._by_content() if len(own) > 1]

    @cached_property
    def alike(self) -> list[tuple[int, ...]]:
        """The groups of pictures that are nearly the same, one of each content."""
        first: dict[int, list[int]] = {}
        group_of = {i: place for place, group in enumerate(self.groups) for i in group}
        for own in self._by_content():
            first.setdefault(group_of[own[0]], []).append(own[0])
        return [tuple(sorted(group)) for group in first.values() if len(group) > 1]

    def _by_content(self) -> list[tuple[int, ...]]:
        """The pictures of all groups, parted by what their files hold."""
        found: dict[str, list[int]] = {}
        for group in self.groups:
            for i in group:
                found.setdefault(self.survey.sha256[i], []).append(i)
        return [tuple(own) for own in found.values()]

    @cached_property
    def leaks(self) -> list[tuple[int, int]]:
        """Pairs of one picture in two splits: each in a later split with one in the earliest, an exact copy if any."""
        rank = {split: place for place, split in enumerate(SPLITS)}
        pairs = []
        for group in self.groups:
            named = [i for i in group if self.collection.splits[i]]
            first = min((rank[self.collection.splits[i]] for i in named), default=0)
            early = [i for i in named if rank[self.collection.splits[i]] == first]
            twins = {self.survey.sha256[i]: i for i in reversed(early)}
            late = [i for i in named if rank[self.collection.splits[i]] > first]
            pairs += [(twins.get(self.survey.sha256[i], early[0]), i) for i in late]
        return pairs


def check(
    data: Collection | Any,
    survey: Survey | None = None,
    *,
    cache: Path | None = None,
    workers: int | None = None,
    show_progress: bool = True,
) -> Health:
    """Look a collection over: unreadable pictures, duplicates, leaks between splits, wrong or rare labels, odd sizes,
    and its boxes where it has some.

    Args:
        data: a `Collection`, or anything that `read` takes.
        survey: what an earlier look at the same collection found; made here when not given.
        cache, workers, show_progress: as for `survey`.

    Raises:
        DataError: there is no collection to look at, or the survey is of another one.
    """
    collection = data if isinstance(data, Collection) else read(data)
    if survey is None:
        survey = make_survey(collection, cache=cache, workers=workers, show_progress=show_progress)
    if survey.files != collection.files:
        raise DataError(f"The survey is not of the collection '{collection.name}'; make it again.")
    evidence = Evidence(collection, survey)
    findings: list[Finding] = [finding for inspect in INSPECTIONS for finding in inspect(evidence)]
    boxes = inspect_boxes(collection, survey)
    findings += box_findings(boxes)
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    files = collection.files
    empty = {path.rpartition("/")[2] for path in collection.empty_classes}
    return Health(
        collection=collection,
        survey=survey,
        findings=tuple(findings),
        unreadable=tuple((files[i], error.cause) for i, error in sorted(survey.errors.items())),
        duplicates=tuple(tuple(files[i] for i in group) for group in evidence.groups),
        leaks=tuple((files[i], files[j]) for i, j in evidence.leaks),
        classes=dict(sorted({**dict.fromkeys(empty, 0), **collection.counts()}.items())),
        boxes=boxes,
    )
