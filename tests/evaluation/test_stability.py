"""Stability: what cannot be moved does not flip, what reads one pixel does; the same by the same seed."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from kunstkammer.errors import DataError, UnknownNameError
from kunstkammer.evaluation.stability import measure_stability
from kunstkammer.registry import names
from tests.pictures.test_changes import drawing

LABELS = ("dark", "light")


def plates(count: int = 12, side: int = 32) -> torch.Tensor:
    rng = np.random.default_rng(0)
    rows = [drawing(side, "L", ink=int(rng.integers(0, 60)), paper=int(rng.integers(160, 255))) for _ in range(count)]
    return torch.from_numpy(np.stack(rows))


def two(probability: np.ndarray) -> np.ndarray:
    return np.stack([1 - probability, probability], axis=1)


def constant(pixels: torch.Tensor, rows: np.ndarray) -> np.ndarray:
    return two(np.full(len(pixels), 0.7))


def one_pixel(pixels: torch.Tensor, rows: np.ndarray) -> np.ndarray:
    """Light if the middle pixel is lighter than its plate's neighbour four to the right."""
    values = pixels[:, 0].double().numpy()
    return two(np.where(values[:, 16, 16] > 128, 0.9, 0.1))


def mean_tone(pixels: torch.Tensor, rows: np.ndarray) -> np.ndarray:
    return two(pixels.double().mean(dim=(1, 2, 3)).numpy() / 255)


def test_a_constant_model_never_flips_and_is_called_still():
    found = measure_stability(constant, plates(), label_names=LABELS)
    assert {r.change for r in found.reactions} == set(names("changes"))
    assert all(r.flipped.value == 0 and r.moved.value == 0 and r.distance.value == 0 for r in found.reactions)
    assert all(r.flipped.high > 0 for r in found.reactions), "none of twelve does not prove never"
    assert found.still
    assert found.worst == []


def test_a_model_that_reads_one_pixel_flips_when_it_is_moved():
    board = torch.zeros(20, 1, 32, 32, dtype=torch.uint8)
    board[:, :, 16, 16] = 255
    found = measure_stability(one_pixel, board, label_names=LABELS, changes=["shift", "contrast"])
    by_change = {(r.change, r.level): r for r in found.reactions}
    for level in (0.02, 0.05, 0.1):
        assert by_change["shift", level].flipped.value == 1
        assert by_change["shift", level].moved.value == pytest.approx(0.8)
        assert by_change["shift", level].distance.value == pytest.approx(0.8)
    assert by_change["contrast", 0.2].flipped.value == 0
    assert found.strongest()[0].change == "shift"
    assert all(s.flipped and s.change == "shift" for s in found.worst)


def test_the_change_of_the_probability_is_what_it_should_be():
    board = torch.full((40, 1, 16, 16), 100, dtype=torch.uint8)
    found = measure_stability(mean_tone, board, label_names=LABELS, changes=["brightness"])
    assert [r.moved.value for r in found.reactions] == pytest.approx([10 / 255, 20 / 255, 30 / 255])
    first = found.reactions[0]
    assert first.moved.low <= first.moved.value <= first.moved.high


def test_pictures_that_a_change_leaves_as_they_are_do_not_count():
    blank = torch.full((5, 1, 32, 32), 255, dtype=torch.uint8)
    both = torch.cat([plates(7), blank])
    found = measure_stability(mean_tone, both, label_names=LABELS, changes=["erased-strokes", "jpeg"])
    assert {r.n for r in found.reactions if r.change == "erased-strokes"} == {7}
    assert measure_stability(mean_tone, blank, label_names=LABELS, changes=["erased-strokes"]).reactions == []


def test_the_same_seed_gives_the_same_whatever_the_batch_size():
    found = [
        measure_stability(mean_tone, plates(), label_names=LABELS, seed=s, batch_size=b).to_json()
        for s, b in ((1, 32), (1, 5), (2, 32))
    ]
    assert found[0] == found[1]
    assert found[0] != found[2]
    json.dumps(found[0])


def test_accuracy_stands_beside_where_the_truth_is_known():
    board = torch.full((30, 1, 16, 16), 130, dtype=torch.uint8)
    targets = np.ones(30, dtype=int)
    targets[:5] = -1
    found = measure_stability(mean_tone, board, label_names=LABELS, targets=targets, changes=["brightness"], seed=3)
    for reaction in found.reactions:
        assert reaction.accuracy_before == 1.0
        assert reaction.accuracy is not None
        assert 0 < reaction.accuracy.value < 1
        assert reaction.accuracy.value == pytest.approx(1 - reaction.flipped.value, abs=0.2)
    untold = measure_stability(mean_tone, board, label_names=LABELS, changes=["brightness"])
    assert untold.reactions[0].accuracy is None
    assert untold.worst[0].truth is None


def test_many_labels():
    def model(pixels, rows):
        tone = pixels.double().mean(dim=(1, 2, 3)).numpy() / 255
        return np.stack([tone, np.full(len(tone), 0.9), np.full(len(tone), 0.2)], axis=1)

    board = torch.full((30, 1, 16, 16), 130, dtype=torch.uint8)
    targets = np.tile(np.array([1, 1, 0], dtype=np.float32), (30, 1))
    found = measure_stability(
        model, board, label_names=("a", "b", "c"), multi_label=True, targets=targets, changes=["brightness"]
    )
    for reaction in found.reactions:
        assert reaction.label_flips is not None
        assert reaction.label_flips.value == pytest.approx(reaction.flipped.value / 3)
        assert reaction.distance.value == pytest.approx(130 * reaction.level / 255 / 3)
        assert reaction.moved.value == pytest.approx(130 * reaction.level / 255 / 2)
        assert reaction.accuracy_before == 1.0
    assert found.worst[0].before == ("a", "b")
    assert found.worst[0].after == ("b",)


def test_one_change_does_not_fill_all_the_worst():
    found = measure_stability(mean_tone, plates(40), label_names=LABELS, worst=8)
    assert len(found.worst) == 8
    assert len({s.index for s in found.worst}) == 8
    assert len({s.change for s in found.worst}) > 1
    for shaken in found.worst:
        assert shaken.plate.shape == shaken.changed.shape
        assert not np.array_equal(shaken.plate, shaken.changed)


def test_bad_input():
    with pytest.raises(DataError, match="no picture"):
        measure_stability(constant, plates()[:0], label_names=LABELS)
    with pytest.raises(UnknownNameError, match="Did you mean 'shift'"):
        measure_stability(constant, plates(), label_names=LABELS, changes=["shfit"])


class TestReport:
    def page(self, found, **more):
        from kunstkammer.evaluation.evaluate import evaluate_predictions
        from kunstkammer.evaluation.report import ReportContent
        from kunstkammer.evaluation.report.write import render

        from .conftest import make
        from .test_report import Page

        targets = np.arange(40) % 2
        evaluation = evaluate_predictions(make(targets, np.eye(2)[targets], LABELS), resamples=20)
        return Page(render(ReportContent("Dark or light", evaluation, stability=found, **more)))

    def test_the_section_shows_every_change_and_the_worst_pictures(self):
        found = measure_stability(mean_tone, plates(30), label_names=LABELS, targets=np.ones(30, dtype=int))
        page = self.page(found)
        assert "stability" in page.sections
        assert len(page.all("img")) == 2 * len(found.worst)
        for word in ("Turned", "Strokes erased", "Dickere Linien", "It reacts most to this"):
            assert word in page.text
        assert f"GT: light; PRED: {found.worst[0].before[0]} → {found.worst[0].after[0]}" in page.text

    def test_a_constant_model_is_not_praised_for_being_steady(self):
        text = self.page(measure_stability(constant, plates(), label_names=LABELS)).text
        assert "nothing can be said about its steadiness" in text
        assert "It is steady" not in text

    def test_without_it_there_is_no_section(self):
        assert "stability" not in self.page(None).sections
        blank = torch.full((5, 1, 32, 32), 255, dtype=torch.uint8)
        nothing = measure_stability(mean_tone, blank, label_names=LABELS, changes=["erased-strokes"])
        assert "stability" not in self.page(nothing).sections

    def test_every_change_has_a_name_and_a_unit_in_both_languages(self):
        from kunstkammer.evaluation.notes import translations
        from kunstkammer.registry import entries

        for entry in entries("changes"):
            assert f"change.{entry.name}" in translations()
            assert f"level.{entry.thing.unit}" in translations()

    def test_a_hostile_file_name_is_only_text(self):
        from .test_report import HOSTILE

        files = [f"{i}{HOSTILE}" for i in range(12)]
        found = measure_stability(mean_tone, plates(), label_names=(HOSTILE, "b"), files=files)
        page = self.page(found)
        assert len(page.all("script")) == 1
        assert HOSTILE in page.text
