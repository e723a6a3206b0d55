"""Fitting without labels: a known strength is found again, and what does not help is left alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from kunstkammer.errors import DataError, UnknownNameError
from kunstkammer.pictures.cartoon import cartoon_settings, cartoonify, fit, fit_cartoon
from kunstkammer.pictures.cartoon.statistics import Ruler, at_size, statistics
from kunstkammer.pictures.preparation import build_preparation
from tests.pictures.test_cartoon import photograph


def photographs(count: int, seed: int = 0) -> list[Tensor]:
    """Return balls on grounds, each lit and coloured in its own way."""
    random = np.random.default_rng(seed)
    found = []
    for k in range(count):
        photo = photograph(60 + 4 * (k % 5), 72, seed=seed + k)[0].float()
        gains = torch.tensor(random.uniform(0.6, 1.15, (3, 1, 1)), dtype=torch.float32)
        found.append((photo * gains + float(random.uniform(-15, 15))).clamp(0, 255).to(torch.uint8))
    return found


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "_SEARCHED", 6)


@pytest.mark.usefixtures("quick")
class TestFitting:
    def test_a_known_strength_is_found_again(self) -> None:
        targets = [cartoonify(photo[None], "comic", strength=0.6)[0] for photo in photographs(16, seed=100)]
        found = fit_cartoon(photographs(16), targets, "comic")
        assert found.strength == pytest.approx(0.6, abs=0.21)
        assert found.distance_after < 0.6 * found.distance_before
        assert found.taken_after is not None
        assert found.taken_before is not None
        assert found.taken_after > found.taken_before
        assert "the distance falls" in found.sentence
        assert build_preparation([found.spec]) is not None

    def test_missing_colours_are_found(self) -> None:
        grey = cartoon_settings("comic", {"saturation": 0.0})
        targets = [cartoonify(photo[None], "comic", settings=grey)[0] for photo in photographs(12, seed=100)]
        found = fit_cartoon(photographs(12), targets, "comic")
        assert found.settings.saturation <= 0.5 * cartoon_settings("comic").saturation
        assert found.spec["saturation"] == found.settings.saturation

    def test_what_is_as_it_should_be_stays(self) -> None:
        found = fit_cartoon(photographs(16), photographs(16, seed=100), "manga")
        assert found.strength == 0
        assert found.settings == cartoon_settings("manga")
        assert "left as they are" in found.sentence
        assert found.to_json()["preparation"] == {"name": "cartoonify", "preset": "manga", "strength": 0.0}

    def test_same_pictures_same_result(self) -> None:
        photos, targets = photographs(8), [cartoonify(p[None], "flat")[0] for p in photographs(8, seed=50)]
        assert fit_cartoon(photos, targets, "flat", seed=3) == fit_cartoon(photos, targets, "flat", seed=3)

    def test_one_source_is_enough_and_said(self) -> None:
        targets = [cartoonify(photo[None], "comic")[0] for photo in photographs(8, seed=100)]
        found = fit_cartoon(photographs(1), targets, "comic")
        assert not found.halved
        assert found.taken_after is None
        assert "there are few" in found.sentence


def test_too_few_targets_and_unknown_presets_are_refused() -> None:
    with pytest.raises(DataError, match="8 targets; there are 3 and 7"):
        fit_cartoon(photographs(3), photographs(7))
    with pytest.raises(DataError, match="at least one source"):
        fit_cartoon([], photographs(8))
    with pytest.raises(UnknownNameError, match="Did you mean 'comic'"):
        fit_cartoon(photographs(3), photographs(8), "comics")


class TestMeasuring:
    @pytest.mark.parametrize("shape", [(3, 1, 1), (1, 3, 500), (3, 700, 500)])
    def test_any_picture_has_statistics(self, shape: tuple[int, int, int]) -> None:
        picture = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        found = statistics(at_size(picture).float() / 255)
        assert found.shape == statistics(torch.zeros(3, 144, 144)).shape
        assert np.isfinite(found).all()

    def test_the_distance_is_0_to_itself_and_grows(self) -> None:
        near, far = np.random.default_rng(0).normal(size=(2, 40, 5)) + np.array([0, 1])[:, None, None]
        ruler = Ruler(near, far, seed=0)
        assert ruler.distance(near, near) == 0
        assert ruler.distance(near, far) > ruler.distance(near, (near + far) / 2) > 0
