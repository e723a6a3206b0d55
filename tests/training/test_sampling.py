"""The order of an epoch is a function of the seed; every picture comes once, or by the weight of its class."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kunstkammer.training.sampling import SeededBatches, draw_weights, epoch_order, step_seed


@given(count=st.integers(2, 200), batch=st.integers(1, 40), seed=st.integers(0, 10), epoch=st.integers(0, 5))
def test_every_picture_comes_once_and_no_batch_is_a_single_picture(count, batch, seed, epoch):
    rows = np.arange(1000, 1000 + count)
    batches = SeededBatches(rows, np.zeros(count, int), batch, "shuffled", seed)
    batches.set_epoch(epoch)
    keys = list(batches)
    assert len(keys) == len(batches)
    assert sorted(np.concatenate([key.indices for key in keys])) == rows.tolist()
    if batch > 1:
        assert min(len(key.indices) for key in keys) > 1
    assert len({key.seed for key in keys}) == len(keys)


def test_epochs_differ_and_each_is_reproducible():
    orders = [epoch_order(50, None, 7, epoch) for epoch in (0, 1, 0)]
    assert (orders[0] == orders[2]).all()
    assert (orders[0] != orders[1]).any()
    assert step_seed(1, 2, 3) == step_seed(1, 2, 3) != step_seed(1, 3, 2)


def test_balanced_sampling_draws_every_class_equally_often():
    targets = np.array([0] * 900 + [1] * 100)
    order = epoch_order(1000, draw_weights(targets, "balanced"), 0, 0, targets)
    drawn = np.bincount(targets[order])
    assert abs(drawn[0] - drawn[1]) <= 2
    times = np.bincount(order[targets[order] == 1], minlength=1000)[900:]
    assert set(times) <= {4, 5, 6}
    root = draw_weights(targets, "square-root")
    assert np.isclose(root[targets == 1].sum() / root[targets == 0].sum(), 10 / 30)


def test_a_picture_with_several_labels_counts_as_its_rarest():
    hot = np.zeros((100, 2), np.float32)
    hot[:, 0] = 1
    hot[:4, 1] = 1
    weights = draw_weights(hot, "balanced")
    assert np.isclose(weights[:4].sum(), 4 / (4 + 96 * 4 / 100))


def test_a_fixed_order_is_the_same_in_every_epoch_and_not_that_of_the_collection():
    batches = SeededBatches(np.arange(64), np.zeros(64, int), 8, "fixed", 0)
    orders = []
    for epoch in (0, 3):
        batches.set_epoch(epoch)
        orders.append(np.concatenate([key.indices for key in batches]).tolist())
    assert orders[0] == orders[1] != list(range(64))


@given(sizes=st.lists(st.integers(1, 60), min_size=2, max_size=6), seed=st.integers(0, 3))
def test_every_class_gets_the_same_number_of_updates(sizes, seed):
    targets = np.repeat(np.arange(len(sizes)), sizes)
    batches = SeededBatches(np.arange(len(targets)), targets, 7, "balanced", seed)
    drawn = np.bincount(np.concatenate([targets[key.indices] for key in batches]), minlength=len(sizes))
    assert drawn.max() - drawn.min() <= 2
