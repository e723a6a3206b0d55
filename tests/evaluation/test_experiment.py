"""Changes of the error: intervals that hold what they promise, over seeds and over pictures."""

import numpy as np
import pytest

from kunstkammer.evaluation.experiment import holm, mean_error, paired_change


def draw(random, seeds, pictures, effect, seed_spread=0.05):
    """Errors of two trainings: some pictures are hard for both, some seeds are lucky, each for its own training."""
    hard = random.beta(1, 2, pictures)
    luck = random.normal(0, seed_spread, (2, seeds, 1))
    chance = np.clip(hard + luck + np.array([0, effect])[:, None, None], 0, 1)
    return (random.random((2, seeds, pictures)) < chance).astype(float)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_interval_covers_the_true_change_in_nineteen_of_twenty(seeds):
    random = np.random.default_rng(0)
    truth = np.mean([np.diff(draw(random, 50, 400, 0.1).mean(axis=(1, 2)))[0] for _ in range(100)])
    covered = 0
    for _ in range(300):
        without, with_it = draw(random, seeds, 120, 0.1)
        found = paired_change(without, with_it)
        covered += found.low <= truth <= found.high
    assert covered / 300 >= 0.93


def test_a_clear_change_is_found_and_no_change_is_not():
    random = np.random.default_rng(1)
    without, with_it = draw(random, 5, 400, -0.2, seed_spread=0.01)
    clear = paired_change(without, with_it)
    assert clear.high < 0
    assert clear.p < 0.001
    found = [paired_change(*draw(random, 3, 200, 0.0)).p < 0.05 for _ in range(200)]
    assert np.mean(found) < 0.08


def test_pictures_of_one_group_tell_less():
    random = np.random.default_rng(2)
    one = np.tile(random.integers(0, 2, (2, 1, 20)).astype(float), (1, 3, 1)).repeat(10, axis=2)
    groups = np.repeat(np.arange(20), 10)
    alone, grouped = paired_change(*one), paired_change(*one, groups=groups)
    assert alone.value == pytest.approx(grouped.value)
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)


def test_a_single_seed_gives_an_interval_over_pictures_only():
    random = np.random.default_rng(3)
    errors = (random.random((1, 400)) < 0.3).astype(float)
    found = mean_error(errors)
    assert found.value == pytest.approx(errors.mean())
    assert found.high - found.value == pytest.approx(1.96 * np.sqrt(0.21 / 400), rel=0.1)


def test_equal_errors_are_no_change():
    errors = np.tile([0.0, 1.0, 1.0], (2, 1))
    found = paired_change(errors, errors)
    assert (found.value, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)
    with pytest.raises(ValueError, match="one shape"):
        paired_change(errors, errors[:, :2])


def test_holm_never_lowers_a_p_value_and_keeps_the_order():
    values = [0.2, 0.001, 0.03, 0.9]
    adjusted = holm(values)
    assert all(a >= p for a, p in zip(adjusted, values, strict=True))
    assert np.argsort(adjusted).tolist() == np.argsort(values).tolist()
    assert adjusted[1] == pytest.approx(0.004)
