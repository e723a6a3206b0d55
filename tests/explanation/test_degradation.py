"""Picture degradation: against a computation one by one, and on evidence whose place is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kunstkammer.errors import ModelError, UnknownNameError
from kunstkammer.explanation.degradation import RANDOM, Curves, degrade, inpainted

from .networks import square_detector, squares, vgg


@pytest.fixture
def pixels() -> Tensor:
    return torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def one_by_one(model: torch.nn.Module, picture: Tensor, relevance: Tensor, steps: int) -> list[float]:
    """The experiment as the paper tells it, a patch and a picture at a time."""
    patches = [(r, c) for r in range(7) for c in range(7)]
    sums = [float(relevance[:, 9 * r : 9 * r + 9, 9 * c : 9 * c + 9].sum()) for r, c in patches]
    order = sorted(range(49), key=lambda i: -sums[i])
    now, scores = picture.clone(), []
    with torch.no_grad():
        chosen = int(model(picture[None])[0].argmax())
        for step in range(steps + 1):
            scores.append(float(model(now[None])[0].double().softmax(dim=0)[chosen]))
            r, c = patches[order[step]]
            place = (..., slice(9 * r, 9 * r + 9), slice(9 * c, 9 * c + 9))
            now[place] = picture[place].mean(dim=(1, 2), keepdim=True)
    return scores


def test_as_the_paper_tells_it(pixels: Tensor) -> None:
    torch.manual_seed(0)
    model = vgg().eval()
    relevance = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    found = degrade(model, pixels, {"mine": relevance}, steps=20, batch_size=7)
    assert set(found.scores) == {"mine", RANDOM}
    for n in range(3):
        expected = one_by_one(model, pixels[n], relevance[n], 20)
        assert found.scores["mine"][n].tolist() == pytest.approx(expected, abs=1e-5)
    assert found.scores["mine"].shape == found.scores[RANDOM].shape == (3, 21)


@pytest.mark.parametrize("fill", ["mean", "blur", "inpaint"])
def test_the_better_map_falls_faster(fill: str) -> None:
    places = [(9, 9), (27, 18), (36, 36), (9, 36), (45, 27)]
    model, pixels = square_detector(), 8 * squares(places)
    truth = torch.zeros(5, 1, 64, 64)
    for one, (row, column) in zip(truth, places, strict=True):
        one[:, row : row + 12, column : column + 12] = 1
    curves = degrade(model, pixels, {"truth": truth, "opposite": -truth}, steps=20, fill=fill)
    if fill == "mean":  # a mean keeps the square's light; the rest is for the curves of real pictures
        assert curves.area("truth").value <= curves.area("opposite").value
        return
    gap = curves.area("truth", beside=RANDOM)
    assert gap.low > 0
    assert gap.low <= gap.value <= gap.high
    assert curves.area("truth").value < curves.area(RANDOM).value < curves.area("opposite").value
    least = degrade(model, pixels, {"truth": truth}, steps=20, fill=fill, order="least")
    assert least.area("truth").value > curves.area("truth").value


def test_the_model_is_left_as_it_was_and_batches_do_not_matter(pixels: Tensor) -> None:
    torch.manual_seed(0)
    model = vgg().train()
    maps = {"a": pixels}
    one = degrade(model, pixels, maps, steps=10, batch_size=4)
    assert model.training
    other = degrade(model, pixels, maps, steps=10, batch_size=50)
    for name in one.scores:
        assert one.scores[name] == pytest.approx(other.scores[name], abs=1e-6)


def test_inpainting_keeps_what_is_left_and_fills_the_rest() -> None:
    ramp = torch.linspace(0, 1, 33).expand(1, 2, 21, 33)
    gone = torch.zeros(1, 1, 21, 33)
    gone[..., 4:15, 10:20] = 1
    found = inpainted(ramp, gone)
    assert torch.equal(found * (1 - gone), ramp * (1 - gone))
    assert float((found - ramp).abs().max()) < 0.4
    assert float(found[..., 4:15, 10:20].min()) > 0.1
    assert torch.equal(inpainted(ramp, torch.zeros_like(gone)), ramp)
    assert inpainted(ramp, torch.ones_like(gone)).isfinite().all()


def test_what_is_wrong_is_said(pixels: Tensor) -> None:
    model = vgg()
    with pytest.raises(ModelError, match="8 x 64 are smaller than a patch of 9"):
        degrade(model, pixels[:, :, :8], {})
    with pytest.raises(ModelError, match=r"The maps of mine are \(2, 3, 64, 64\)"):
        degrade(model, pixels, {"mine": pixels[:2]})
    with pytest.raises(UnknownNameError, match="Did you mean 'inpaint'"):
        degrade(model, pixels, {}, fill="in-paint")
    with pytest.raises(UnknownNameError, match="no order 'moist'"):
        degrade(model, pixels, {}, order="moist")
    with pytest.raises(UnknownNameError, match="no curve 'x'"):
        Curves({}).area("x")


def test_fewer_points_lie_on_the_same_curve(pixels: Tensor) -> None:
    torch.manual_seed(0)
    model, seen = vgg().eval(), []
    whole = degrade(model, pixels, {"a": pixels}, steps=20)
    some = degrade(model, pixels, {"a": pixels}, steps=20, points=5, with_random=False, advance=seen.append)
    assert some.patches == (0, 5, 10, 15, 20)
    assert list(some.scores) == ["a"]
    assert some.scores["a"] == pytest.approx(whole.scores["a"][:, list(some.patches)], abs=1e-6)
    assert sum(seen) == 3 * 5
    with pytest.raises(ModelError, match="at least 2 points"):
        degrade(model, pixels, {"a": pixels}, points=1)


def test_models_with_many_labels_are_followed_by_the_sigmoid(pixels: Tensor) -> None:
    class One(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean(dim=(1, 2, 3))[:, None]

    found = degrade(One(), pixels, {"a": pixels}, steps=2, with_random=False)
    expected = pixels.mean(dim=(1, 2, 3)).double().sigmoid()
    assert found.scores["a"][:, 0] == pytest.approx(expected.numpy(), abs=1e-6)
