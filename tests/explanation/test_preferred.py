"""The preferred input: it raises its class, is a picture, is seeded, and leaves the model as it was."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from kunstkammer.errors import ModelError
from kunstkammer.explanation.preferred import Waves, preferred_input, total_variation

from .networks import build, square_detector, vgg

SIZE = (32, 48)


class Brightness(nn.Module):
    """Class 0 is a bright upper half, class 1 a bright lower half."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(20.0))

    def forward(self, x: Tensor) -> Tensor:
        half = x.shape[2] // 2
        upper, lower = x[:, :, :half].mean(dim=(1, 2, 3)), x[:, :, half:].mean(dim=(1, 2, 3))
        return self.gain * torch.stack([upper - lower, lower - upper], dim=1)


def test_it_shows_what_the_class_is() -> None:
    pictures = preferred_input(Brightness(), [0, 1], size=SIZE, steps=60)
    assert pictures.shape == (2, 3, *SIZE)
    assert 0 <= float(pictures.min()) < float(pictures.max()) <= 1
    upper, lower = pictures[:, :, :16].mean(dim=(1, 2, 3)), pictures[:, :, 16:].mean(dim=(1, 2, 3))
    assert upper[0] - lower[0] > 0.25
    assert lower[1] - upper[1] > 0.25


@pytest.mark.parametrize("name", ["resnet-basic", "mobilenet-v2", "vit", "swin"])
def test_it_raises_its_class_in_every_family(name: str) -> None:
    model, pixels = build(name)
    before = [(p.requires_grad, p.clone()) for p in model.parameters()]
    side = pixels.shape[-1]
    pictures = preferred_input(
        model, [1, 3], size=(side, side), steps=20, prepare=lambda x: (x - 0.5) / 0.25, decay=0, variation=0, jitter=0
    )
    with torch.no_grad():
        logits = model((pictures - 0.5) / 0.25).logits
    # The picture made for a class has more of it than the one made for the other, from the same noise.
    assert logits[0, 1] > logits[1, 1]
    assert logits[1, 3] > logits[0, 3]
    assert all(p.requires_grad == r and torch.equal(p, v) for p, (r, v) in zip(model.parameters(), before, strict=True))


def test_a_picture_does_not_depend_on_the_others_and_is_seeded() -> None:
    torch.manual_seed(0)
    model = vgg()
    both = preferred_input(model, [0, 2], size=(64, 64), steps=5)
    torch.testing.assert_close(preferred_input(model, 2, size=(64, 64), steps=5)[0], both[1], rtol=1e-3, atol=1e-4)
    assert torch.equal(preferred_input(model, [0, 2], size=(64, 64), steps=5), both)
    assert not torch.equal(preferred_input(model, [0, 2], size=(64, 64), steps=5, seed=1), both)


def test_grey_pictures_and_float64() -> None:
    pictures = preferred_input(square_detector(torch.float64), 1, size=(64, 64), channels=1, steps=5)
    assert pictures.shape == (1, 1, 64, 64)


def test_rather_than_another() -> None:
    torch.manual_seed(0)
    model = vgg()
    one = preferred_input(model, 1, size=(64, 64), steps=5)
    assert not torch.equal(preferred_input(model, 1, size=(64, 64), steps=5, versus=0), one)
    with pytest.raises(ModelError, match="held against itself"):
        preferred_input(model, 1, size=(64, 64), steps=5, versus=1)


def test_variation_makes_it_smoother() -> None:
    torch.manual_seed(0)
    model = vgg()
    rough, smooth = (
        total_variation(preferred_input(model, 1, size=(64, 64), steps=20, variation=v)) for v in (0.0, 100.0)
    )
    assert float(smooth) < 0.8 * float(rough)


@pytest.mark.parametrize("size", [(32, 32), (33, 40), (2, 2)])
def test_coarse_waves_come_first(size: tuple[int, int]) -> None:
    waves = Waves(size, 1, torch.Generator().manual_seed(0))
    loud = 100 * waves.start
    coarse, fine = waves.picture(loud, 0.0), waves.picture(loud, 1.0)
    assert coarse.shape == fine.shape == (1, 1, *size)
    if min(size) > 2:
        assert float(total_variation(coarse)) < float(total_variation(fine))


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(ModelError, match="no class 9"):
        preferred_input(vgg(), 9, size=(64, 64), steps=1)
    with pytest.raises(ModelError, match="steps >= 1"):
        preferred_input(vgg(), 1, size=(64, 64), steps=0)
    with pytest.raises(ModelError, match="is one of a class"):
        preferred_input(vgg(), None, size=(64, 64))
