"""Splits: stratified over one or many labels, groups whole, and honest about what could not be done."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kunstkammer.data.collection import make_collection
from kunstkammer.data.groups import join_groups
from kunstkammer.data.split import carve_validation, plan_split, split_collection
from kunstkammer.errors import DataError

PARTS = {"train", "validation", "test"}


def collection_of(labels, splits=None, multi_label=False):
    names = [f"{i}.png" for i in range(len(labels))]
    own = [[label] if isinstance(label, str) else list(label) for label in labels]
    return make_collection(name="made", files=names, sources=names, labels=own, splits=splits, multi_label=multi_label)


def where(parts, values):
    """The parts in which each value is found."""
    found: dict = {}
    for part, value in zip(parts, values, strict=True):
        found.setdefault(value, set()).add(part)
    return found


# 7 titles of 2 kinds, as in a real collection of pages.
TITLES = {"c1": 85, "c2": 101, "m1": 54, "m2": 46, "m3": 40, "m4": 38, "m5": 36}
PAGES = [title for title, n in TITLES.items() for _ in range(n)]
KINDS = ["comic" if title[0] == "c" else "manga" for title in PAGES]


def test_every_class_is_spread_as_the_fractions_ask():
    labels = ["a"] * 100 + ["b"] * 50 + ["c"] * 10
    plan = plan_split(collection_of(labels))
    assert plan.notes == []
    counts = Counter(zip(plan.parts, labels, strict=True))
    assert [counts[part, "a"] for part in ("train", "validation", "test")] == [80, 10, 10]
    assert [counts[part, "b"] for part in ("train", "validation", "test")] == [40, 5, 5]
    assert [counts[part, "c"] for part in ("train", "validation", "test")] == [8, 1, 1]


def test_the_seed_decides():
    collection = collection_of(["a", "b"] * 50)
    assert split_collection(collection, seed=1) == split_collection(collection, seed=1)
    assert split_collection(collection, seed=1) != split_collection(collection, seed=2)


def test_a_part_of_fraction_zero_stays_empty():
    assert set(split_collection(collection_of(["a", "b"] * 20), (0.7, 0.0, 0.3))) == {"train", "test"}


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.lists(st.integers(1, 6), min_size=3, max_size=12), min_size=1, max_size=6),
    seed=st.integers(0, 5),
)
def test_groups_never_cross_and_every_class_with_three_groups_is_everywhere(sizes, seed):
    labels, groups = [], []
    for k, own in enumerate(sizes):
        for g, size in enumerate(own):
            labels += [f"class {k}"] * size
            groups += [f"{k}/{g}"] * size
    parts = split_collection(collection_of(labels), groups=groups, seed=seed)
    assert len(parts) == len(labels)
    assert set(parts) == PARTS
    assert all(len(found) == 1 for found in where(parts, groups).values())
    assert all(found == PARTS for found in where(parts, labels).values())


@settings(max_examples=40, deadline=None)
@given(data=st.data(), seed=st.integers(0, 3))
def test_many_labels_with_groups_never_cross(data, seed):
    n = data.draw(st.integers(1, 60))
    labels = data.draw(st.lists(st.lists(st.sampled_from("abcdef"), max_size=3), min_size=n, max_size=n))
    groups = data.draw(st.lists(st.integers(0, 15), min_size=n, max_size=n))
    collection = collection_of(labels, multi_label=True)
    parts = split_collection(collection, groups=groups, seed=seed)
    assert len(parts) == n
    assert set(parts) <= PARTS
    assert all(len(found) == 1 for found in where(parts, groups).values())
    assert parts == split_collection(collection, groups=np.array(groups), seed=seed)


def test_rare_labels_of_many_reach_the_test_part():
    random = np.random.default_rng(0)
    chance = 1 / np.arange(1, 121) ** 1.2
    labels = [
        [f"{k:03}" for k in np.unique(random.choice(120, random.integers(1, 8), p=chance / chance.sum()))]
        for _ in range(3000)
    ]
    groups = np.arange(3000) - (random.random(3000) < 0.3)  # runs of copies
    collection = collection_of(labels, multi_label=True)
    parts = np.array(split_collection(collection, groups=groups))
    hot = collection.targets()
    often = hot.sum(axis=0) >= 5
    for part, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1)):
        inside = hot[parts == part].sum(axis=0)
        assert (inside[often] > 0).all()
        assert (parts == part).mean() == pytest.approx(share, abs=0.01)
        common = hot.sum(axis=0) >= 100
        assert np.abs(inside[common] / hot.sum(axis=0)[common] - share).max() < 0.04


@pytest.mark.parametrize("seed", range(3))
def test_few_titles_keep_test_apart_and_draw_validation_by_page(seed):
    plan = plan_split(collection_of(KINDS), groups=PAGES, seed=seed)
    test = {title for title, part in zip(PAGES, plan.parts, strict=True) if part == "test"}
    rest = {title for title, part in zip(PAGES, plan.parts, strict=True) if part != "test"}
    assert not test & rest
    assert test in ({"c1", title} for title in ("m1", "m2", "m3", "m4", "m5"))
    assert all(found == PARTS for found in where(plan.parts, KINDS).values())
    share = plan.parts.count("validation") / (len(PAGES) - plan.parts.count("test"))
    assert share == pytest.approx(1 / 9, abs=0.01)
    assert len(plan.notes) == 1
    assert "by picture" in plan.notes[0]


def test_strict_splits_keep_titles_whole_and_say_what_is_missing():
    plan = plan_split(collection_of(KINDS), groups=PAGES, strict=True)
    assert all(len(found) == 1 for found in where(plan.parts, PAGES).values())
    assert where(plan.parts, KINDS) == {"comic": {"train", "test"}, "manga": PARTS}
    assert plan.notes == ["No picture of 'comic' is in validation: they have too few pictures or groups."]
    assert plan.parts == split_collection(collection_of(KINDS), groups=PAGES)


def test_copies_stay_together_even_where_validation_is_drawn_by_page():
    copies = np.arange(len(PAGES)) // 3 * 3
    plan = plan_split(collection_of(KINDS), groups=PAGES, copies=copies)
    assert "by picture" in plan.notes[0]
    assert all(len(found) == 1 for found in where(plan.parts, copies.tolist()).values())


def test_a_class_with_one_group_stays_in_train_and_the_plan_says_so():
    labels = ["a"] * 30 + ["b"] * 30
    groups = [i // 3 for i in range(30)] + ["all of b"] * 30
    plan = plan_split(collection_of(labels), groups=groups, strict=True)
    assert where(plan.parts, labels) == {"a": PARTS, "b": {"train"}}
    assert [note for note in plan.notes if "'b'" in note and "in test" in note]


def test_an_enormous_group_does_not_empty_the_other_parts():
    labels = ["a", "b"] * 300
    groups = [0] * 400 + list(range(1, 201))
    parts = split_collection(collection_of(labels), groups=groups)
    counts = Counter(parts)
    assert all(len(found) == 1 for found in where(parts, groups).values())
    assert counts["validation"] == pytest.approx(60, abs=6)
    assert counts["test"] == pytest.approx(60, abs=6)


def test_pictures_without_labels_are_split_too():
    parts = split_collection(collection_of([[]] * 100, multi_label=True))
    assert Counter(parts) == {"train": 80, "validation": 10, "test": 10}


def test_one_picture_goes_to_train():
    assert split_collection(collection_of(["a"])) == ["train"]


def test_validation_is_carved_from_train_alone():
    labels = ["a", "b"] * 100
    splits = ["train"] * 150 + ["test"] * 40 + [""] * 10
    plan = carve_validation(collection_of(labels, splits), 0.2)
    assert plan.parts[150:] == splits[150:]
    counts = Counter(zip(plan.parts[:150], labels[:150], strict=True))
    assert counts == {("train", "a"): 60, ("train", "b"): 60, ("validation", "a"): 15, ("validation", "b"): 15}
    assert plan.notes == []


def test_carved_validation_keeps_groups_whole_where_it_can():
    splits = ["train"] * 180 + ["test"] * 20
    groups = [i // 6 for i in range(200)]
    plan = carve_validation(collection_of(["a"] * 100 + ["b"] * 100, splits), 0.1, groups=groups)
    assert all(len(found) == 1 for found in where(plan.parts[:180], groups[:180]).values())
    assert plan.parts.count("validation") == 18
    few = [i // 90 for i in range(200)]
    plan = carve_validation(collection_of(["a"] * 100 + ["b"] * 100, splits), 0.1, groups=few)
    assert plan.parts.count("validation") == 18
    assert "too few groups" in plan.notes[0]


def test_carving_needs_a_training_part():
    with pytest.raises(DataError, match="no training pictures"):
        carve_validation(collection_of(["a"], ["test"]))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.sampled_from(["x", "y", "z", "", None])), min_size=1, max_size=30))
def test_joined_groups_are_the_finest_that_hold_all_columns_together(rows):
    numbers, names = [row[0] for row in rows], [row[1] for row in rows]
    joined = join_groups(numbers, names)
    expected = list(range(len(rows)))  # by repeated merging
    for _ in rows:
        for i in range(len(rows)):
            for j in range(i):
                if numbers[i] == numbers[j] or (names[i] and names[i] == names[j]):
                    expected[i] = expected[j] = min(expected[i], expected[j])
    same = [[expected[i] == expected[j] for j in range(len(rows))] for i in range(len(rows))]
    assert [[bool(joined[i] == joined[j]) for j in range(len(rows))] for i in range(len(rows))] == same
    assert joined[0] == 0
    assert set(joined.tolist()) == set(range(joined.max() + 1))


def test_values_that_say_nothing_join_nobody():
    assert join_groups([None, None, "", "", float("nan"), float("nan"), "a", "a"]).tolist() == [0, 1, 2, 3, 4, 5, 6, 6]
    assert join_groups(pictures=3).tolist() == [0, 1, 2]


def test_what_does_not_fit_is_refused():
    collection = collection_of(["a", "b"] * 5)
    for wrong in ((0.8, 0.1), (0.8, 0.1, 0.2), (1.2, -0.1, -0.1), (float("nan"), 0.5, 0.5)):
        with pytest.raises(DataError, match="three shares of 1"):
            split_collection(collection, wrong)
    with pytest.raises(DataError, match="3 groups for 10 pictures"):
        split_collection(collection, groups=[1, 2, 3])


@pytest.mark.real
def test_real_pages_by_title(shared):
    from kunstkammer.data.readers import read

    pages = read(shared / "data" / "comic_manga")
    titles = pages.column("title")
    plan = plan_split(pages, groups=titles)
    test = {title for title, part in zip(titles, plan.parts, strict=True) if part == "test"}
    assert not test & {title for title, part in zip(titles, plan.parts, strict=True) if part != "test"}
    kinds = [labels[0] for labels in pages.labels]
    assert all(found == PARTS for found in where(plan.parts, kinds).values())
