"""The inspections of `check`: each looks at the evidence for one kind of trouble and tells what it finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from kunstkammer.data.collection import SPLITS
from kunstkammer.data.health import Finding, Severity, cut
from kunstkammer.pictures.read import SUFFIX_FORMATS

if TYPE_CHECKING:
    from kunstkammer.data.check import Evidence

SMALL_CLASS = 20
"""Below this many pictures a class is small: of 10 in a hundred for the test, two pictures judge it."""

UNEVEN, VERY_UNEVEN = 3.0, 10.0
"""Largest class over smallest: from the first a note, from the second a warning."""

TINY = 32
"""A shorter side than this shows hardly anything."""

ODD_ASPECT = 3.0
"""How many times longer or wider than the middle picture of the collection a picture may be."""

BLANK = 2.0
"""Standard deviation of the grey values, 0..255, below which a picture is a single colour to the eye."""

Inspection = Callable[["Evidence"], Iterator[Finding]]


def few(n: int, thing: str, things: str | None = None) -> str:
    """Return a number with its noun.

    >>> few(1, "picture"), few(2000, "picture"), few(2, "class", "classes")
    ('1 picture', '2,000 pictures', '2 classes')
    """
    return f"{n:,} {thing if n == 1 else things or thing + 's'}"


def _named(names: list[str], limit: int = 5) -> str:
    shown = ", ".join(f"'{cut(name)}'" for name in names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown


def unreadable(evidence: Evidence) -> Iterator[Finding]:
    """Pictures that cannot be decoded."""
    errors = dict(sorted(evidence.survey.errors.items()))
    if errors:
        yield Finding(
            "unreadable",
            "error",
            f"{few(len(errors), 'picture')} cannot be read.",
            "Replace them or take them out; training leaves them out.",
            tuple((i,) for i in errors),
            {i: error.cause for i, error in errors.items()},
        )


def leaks(evidence: Evidence) -> Iterator[Finding]:
    """The same picture in two splits: what is measured there is memory, not skill."""
    pairs = evidence.leaks
    if pairs:
        between = Counter(tuple(evidence.collection.splits[i] for i in pair) for pair in pairs)
        where = ", ".join(f"{few(n, 'picture')} of {late} also in {early}" for (early, late), n in between.items())
        yield Finding(
            "leaks",
            "error",
            f"The splits share pictures: {where}.",
            "Take the copy out of one split, or let Kunstkammer split: it keeps copies together.",
            tuple(pairs),
            {i: evidence.collection.splits[i] for pair in pairs for i in pair},
        )


def conflicts(evidence: Evidence) -> Iterator[Finding]:
    """One picture under different labels. Pictures nearly the same may differ in what counts, so only a warning."""
    labels = evidence.collection.labels
    kinds: list[tuple[str, Severity, str, list[tuple[int, ...]]]] = [
        ("conflicts", "error", "the same file", evidence.copies),
        ("near-conflicts", "warning", "nearly the same picture", evidence.alike),
    ]
    for kind, severity, what, groups in kinds:
        found = [group for group in groups if len({tuple(labels[i]) for i in group if labels[i]}) > 1]
        if found:
            yield Finding(
                kind,
                severity,
                f"{few(len(found), 'group')} of {what} under different labels.",
                "Decide which label is right, and take the others out.",
                tuple(found),
                {i: " | ".join(labels[i]) for group in found for i in group},
            )


def duplicates(evidence: Evidence) -> Iterator[Finding]:
    """Copies: the same file again, or the same picture saved, scaled or brightened anew."""
    if evidence.copies:
        n, more = len(evidence.copies), sum(len(group) - 1 for group in evidence.copies)
        yield Finding(
            "duplicates",
            "warning",
            f"{few(n, 'picture is', 'pictures are')} there more than once, the same byte for byte "
            f"({few(more, 'copy', 'copies')} too many).",
            "Keep one of each; a picture that is there twice counts twice.",
            tuple(evidence.copies),
        )
    if evidence.alike:
        yield Finding(
            "near-duplicates",
            "warning",
            f"{few(len(evidence.alike), 'group')} of pictures that look the same "
            f"({sum(map(len, evidence.alike)):,} pictures).",
            "Look at them: keep one of each if they are copies. Kunstkammer keeps a group on one side of a split.",
            tuple(evidence.alike),
            {i: "{} x {}".format(*evidence.survey.sizes[i]) for group in evidence.alike for i in group},
        )


def labels(evidence: Evidence) -> Iterator[Finding]:
    """What keeps a collection from being learned from: no labels, one class, empty classes, unlabelled pictures."""
    collection = evidence.collection
    if not collection.labelled:
        yield Finding(
            "unlabelled",
            "note",
            "There are no labels: fit to predict on, not to train on.",
            "To train, put the pictures into one folder for each class, or name a table with labels.",
        )
        return
    if collection.empty_classes:
        yield Finding(
            "empty-classes",
            "error",
            f"{few(len(collection.empty_classes), 'class folder has', 'class folders have')} no picture.",
            "Put pictures there or remove the folder.",
            files=tuple((path, "no picture in it") for path in collection.empty_classes),
        )
    if len(collection.label_names) == 1 and not (collection.multi_label and not all(collection.labels)):
        yield Finding(
            "one-class",
            "error",
            f"There is one class only, '{cut(collection.label_names[0])}'.",
            "Add pictures of another class; with one there is nothing to tell apart.",
        )
    bare = [i for i, own in enumerate(collection.labels) if not own]
    if bare and collection.multi_label:
        sentence = f"{few(len(bare), 'picture has', 'pictures have')} no label; they count as showing none of them."
        yield Finding("no-label", "note", sentence, "Label them if that is not so.", tuple((i,) for i in bare))
    elif bare:
        sentence = f"{few(len(bare), 'picture has', 'pictures have')} no label."
        yield Finding("no-label", "error", sentence, "Label them or take them out.", tuple((i,) for i in bare))


def class_sizes(evidence: Evidence) -> Iterator[Finding]:
    """Classes of few pictures, and classes of very different sizes."""
    collection = evidence.collection
    counts = {label: n for label, n in collection.counts().items() if n}
    if len(counts) < 2:
        return
    thing, things = ("label", "labels") if collection.multi_label else ("class", "classes")
    single = [label for label, n in counts.items() if n == 1]
    if single:
        severity: Severity = "warning" if collection.multi_label else "error"
        first = {own: i for i, names in enumerate(collection.labels) for own in names if own in single}
        yield Finding(
            "single",
            severity,
            f"{few(len(single), thing + ' has', things + ' have')} only 1 picture: {_named(single)}.",
            "Add some or leave it out: one picture cannot be learned from and tested on.",
            tuple((i,) for i in sorted(set(first.values()))),
        )
    small = sorted((label for label, n in counts.items() if 1 < n < SMALL_CLASS), key=lambda label: counts[label])
    if small:
        listed = ", ".join(f"'{cut(label)}' ({counts[label]})" for label in small[:5])
        more = f" and {len(small) - 5} more" if len(small) > 5 else ""
        yield Finding(
            "small-classes",
            "warning",
            f"{few(len(small), thing + ' has', things + ' have')} fewer than {SMALL_CLASS} pictures: {listed}{more}.",
            "Add some; what is measured on so few says little.",
        )
    largest, smallest = max(counts, key=lambda label: counts[label]), min(counts, key=lambda label: counts[label])
    ratio = counts[largest] / counts[smallest]
    if ratio >= UNEVEN:
        yield Finding(
            "imbalance",
            "warning" if ratio >= VERY_UNEVEN else "note",
            f"The {things} are uneven: '{cut(largest)}' has {counts[largest]:,} pictures, {ratio:.1f} times as many as "
            f"'{cut(smallest)}' ({counts[smallest]:,}).",
            "Weigh the classes in training, and judge by balanced accuracy and macro F1.",
        )


def splits(evidence: Evidence) -> Iterator[Finding]:
    """Splits that lack a class, and pictures in no split where others are in one."""
    collection = evidence.collection
    parts = [split for split in SPLITS if split in collection.splits]
    if not parts:
        return
    outside = [i for i, split in enumerate(collection.splits) if not split]
    if outside:
        sentence = f"{few(len(outside), 'picture is', 'pictures are')} in no split, though others are."
        yield Finding("no-split", "warning", sentence, "Put them into one.", tuple((i,) for i in outside))
    for split in parts:
        there = {
            own
            for names, its in zip(collection.labels, collection.splits, strict=True)
            if its == split
            for own in names
        }
        lacking = [label for label in collection.label_names if label not in there]
        if lacking and there:
            worse = split == "train"
            yield Finding(
                "split-lacks-class",
                "error" if worse and not collection.multi_label else "warning",
                f"The {split} split has no picture of {_named(lacking)}.",
                "Move some there; what is not shown is not learned."
                if worse
                else "Move some there, or nothing is measured on it.",
            )


def sizes(evidence: Evidence) -> Iterator[Finding]:
    """Pictures too small to show anything, and pictures of quite another shape than the rest."""
    width, height = evidence.survey.sizes.T
    readable = evidence.readable
    short = np.minimum(width, height)
    tiny = np.flatnonzero(readable & (short < TINY))
    if tiny.size:
        most = tiny.size * 2 > readable.sum()
        yield Finding(
            "tiny",
            "note" if most else "warning",
            f"{few(tiny.size, 'picture is', 'pictures are')} less than {TINY} pixels wide or high.",
            "Choose a small picture size in the recipe." if most else "Find larger ones or take them out.",
            tuple((int(i),) for i in tiny[np.argsort(short[tiny], kind="stable")]),
            {int(i): f"{width[i]} x {height[i]}" for i in tiny},
        )
    if not readable.any():
        return
    aspect = np.log(np.maximum(width, 1) / np.maximum(height, 1))
    away = np.abs(aspect - np.median(aspect[readable]))
    odd = np.flatnonzero(readable & (away > np.log(ODD_ASPECT)))
    if odd.size:
        yield Finding(
            "odd-shapes",
            "note",
            f"{few(odd.size, 'picture is', 'pictures are')} much longer or wider than the rest.",
            "Cut them, or choose fit: pad in the recipe, so that they are not squashed.",
            tuple((int(i),) for i in odd[np.argsort(-away[odd], kind="stable")]),
            {int(i): f"{width[i]} x {height[i]}" for i in odd},
        )


def blanks(evidence: Evidence) -> Iterator[Finding]:
    """Pictures of one colour: empty pages, failed scans, placeholders of a download."""
    deviations = evidence.survey.deviations
    blank = np.flatnonzero(evidence.readable & (deviations < BLANK))
    if blank.size:
        yield Finding(
            "blank",
            "warning",
            f"{few(blank.size, 'picture is', 'pictures are')} blank: hardly anything but one colour.",
            "Take them out; they teach only that nothing means something.",
            tuple((int(i),) for i in blank),
        )


def formats(evidence: Evidence) -> Iterator[Finding]:
    """Suffixes that promise another format than the file has. Kunstkammer does not mind; other programs do."""
    lying = {}
    for i, (file, own) in enumerate(zip(evidence.survey.files, evidence.survey.formats, strict=True)):
        dot = file.rfind(".")
        promised = SUFFIX_FORMATS.get(file[dot:].lower()) if dot >= 0 else None
        if own and promised and own != promised:
            lying[i] = f"a {own} file"
    if lying:
        yield Finding(
            "wrong-suffix",
            "note",
            f"{few(len(lying), 'file has', 'files have')} a suffix that does not fit what is inside.",
            "They are read all the same; rename them for the sake of other programs.",
            tuple((i,) for i in lying),
            lying,
        )


def leftovers(evidence: Evidence) -> Iterator[Finding]:
    """Files that were passed over, and what the reader had to assume."""
    ignored = evidence.collection.ignored
    if ignored:
        reasons = Counter(reason for _, reason in ignored)
        listed = "; ".join(f"{n:,}: {reason}" for reason, n in reasons.most_common(3))
        yield Finding(
            "ignored",
            "note",
            f"{few(len(ignored), 'file was', 'files were')} passed over ({listed}).",
            "Move them if they belong to the collection; otherwise nothing is to be done.",
            files=ignored,
        )
    for text in evidence.collection.notes:
        yield Finding("reading", "note", text, "Nothing, if that is what was meant.")


INSPECTIONS: tuple[Inspection, ...] = (
    unreadable, leaks, conflicts, labels, class_sizes, splits, duplicates, blanks, sizes, formats, leftovers,
)  # fmt: skip
"""In this order; findings of one severity are told in it."""
