"""Groups and rarest labels have one definition, which every room asks."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kunstkammer.data.groups import group_numbers, join_groups, rarest_label
from kunstkammer.training.linear_head import fold_rows
from kunstkammer.workflows.fit_neighbours import share_out

VALUES = st.sampled_from(["a", "b", "c", None, "", float("nan"), 1, 2])


@given(st.lists(VALUES, max_size=20))
def test_one_column_joined_is_that_column_numbered(values):
    assert join_groups(values, pictures=len(values)).tolist() == group_numbers(values, len(values)).tolist()


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=12))
def test_joined_groups_are_what_is_reached_by_shared_values(pairs):
    columns = list(zip(*pairs, strict=True))
    numbered = [group_numbers(column, len(pairs)) for column in columns]
    reached = np.eye(len(pairs), dtype=bool)
    for one in numbered:
        reached |= one[:, None] == one[None, :]
    for _ in pairs:
        reached = (reached.astype(int) @ reached.astype(int)) > 0
    joined = join_groups(*columns)
    assert ((joined[:, None] == joined[None, :]) == reached).all()
    assert list(dict.fromkeys(joined.tolist())) == list(range(joined.max() + 1))


def test_a_picture_without_a_label_counts_as_having_none_and_not_as_the_first():
    targets = np.array([[1, 0, 1], [0, 0, 1], [0, 0, 0], [1, 1, 1]], dtype=np.float32)
    assert rarest_label(targets).tolist() == [0, 2, 3, 1]


def test_folds_spread_pictures_without_a_label_apart_from_those_of_the_first_label():
    targets = np.zeros((60, 2), dtype=np.float32)
    targets[:10, 0] = 1
    targets[10:20, 1] = 1
    for rows in fold_rows(targets, None, 5, 0):
        assert targets[rows].sum(axis=0).tolist() == [2, 2]


def test_neighbours_are_shared_out_by_the_same_rarest_label():
    labels = [["a", "b"]] * 30 + [["a"]] * 300 + [[]] * 100
    drawn = share_out(labels, 60, 0)
    kinds = [len(labels[i]) for i in drawn]
    assert kinds.count(2) >= 15
    assert kinds.count(0) >= 1
