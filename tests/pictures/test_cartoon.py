"""Drawings: what becomes of a picture depends on it alone, at any size, and each preset looks like its name."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kunstkammer import registry
from kunstkammer.errors import RecipeError, UnknownNameError
from kunstkammer.pictures.augment import build_augmenter
from kunstkammer.pictures.cartoon import CartoonSettings, cartoon_settings, cartoonify
from kunstkammer.pictures.cartoon.filters import flow, smooth
from kunstkammer.pictures.cartoon.tone import dots, palette, quantised

PRESETS = registry.names("cartoons")


def photograph(height: int = 96, width: int = 120, *, channels: int = 3, seed: int = 0) -> Tensor:
    """Return uint8 (1, C, H, W): a lit ball with a coloured stripe on a shaded ground, with the grain of a camera."""
    y = torch.linspace(-1, 1, height)[:, None].expand(height, width)
    x = torch.linspace(-1.2, 1.2, width)[None].expand(height, width)
    ground = torch.stack([0.45 + 0.25 * y, 0.55 + 0.2 * x, 0.7 - 0.15 * y])
    inside = (x**2 + y**2 < 0.5).float()
    light = (0.75 - 0.5 * (x + 0.3) ** 2 - 0.5 * (y + 0.3) ** 2).clamp(0.1, 1)
    stripe = ((y - 0.2 * x).abs() < 0.12).float()
    ball = torch.stack([light, light * (0.4 + 0.4 * stripe), light * 0.3])
    colours = ground * (1 - inside) + ball * inside
    noise = 0.03 * torch.randn(3, height, width, generator=torch.Generator().manual_seed(seed))
    pixels = ((colours + noise).clamp(0, 1) * 255).round().to(torch.uint8)
    return pixels[None] if channels == 3 else pixels[None].float().mean(1, keepdim=True).to(torch.uint8)


def distance(one: Tensor, other: Tensor) -> float:
    return (one.float() - other.float()).abs().mean().item()


@pytest.mark.parametrize("preset", PRESETS)
class TestEveryPreset:
    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 2), (17, 31), (64, 64), (300, 200)])
    def test_any_size_keeps_shape_and_type(self, preset: str, size: tuple[int, int], channels: int) -> None:
        drawn = cartoonify(photograph(*size, channels=channels), preset)
        assert drawn.shape == (1, channels, *size)
        assert drawn.dtype == torch.uint8

    def test_same_again_and_whatever_the_batch(self, preset: str) -> None:
        batch = torch.cat([photograph(seed=seed) for seed in range(3)])
        whole = cartoonify(batch, preset)
        assert torch.equal(whole, cartoonify(batch, preset))
        assert torch.equal(whole[1:2], cartoonify(batch[1:2], preset))
        assert torch.equal(whole[[2, 0]], cartoonify(batch[[2, 0]], preset))

    def test_strength_0_changes_nothing_and_more_changes_more(self, preset: str) -> None:
        photo = photograph()
        kept = photo.clone()
        assert torch.equal(cartoonify(photo, preset, strength=0), photo)
        moved = [distance(cartoonify(photo, preset, strength=s), photo) for s in (0.25, 0.5, 0.75, 1)]
        assert moved == sorted(moved)
        assert moved[0] > 0.3
        assert torch.equal(photo, kept)
        assert not torch.equal(cartoonify(photo, preset, strength=1.5), cartoonify(photo, preset, strength=1))

    def test_a_larger_copy_is_the_same_drawing(self, preset: str) -> None:
        large = cartoonify(photograph(480, 480), preset)
        small = cartoonify(photograph(120, 120), preset)
        shrunk = torch.nn.functional.interpolate(large.float(), size=(120, 120), mode="area")
        blurred = [torch.nn.functional.avg_pool2d(p.float(), 8) for p in (shrunk, small)]
        assert distance(*blurred) < 14

    def test_empty_batches_come_back(self, preset: str) -> None:
        assert cartoonify(torch.zeros(0, 3, 8, 8, dtype=torch.uint8), preset).shape == (0, 3, 8, 8)


class TestWhatThePresetsAre:
    def test_manga_is_ink_on_paper(self) -> None:
        drawn = cartoonify(photograph(400, 400), "manga").float()
        assert distance(drawn[:, 0], drawn[:, 2]) < 1
        assert ((drawn < 50) | (drawn > 205)).float().mean() > 0.8

    def test_pencil_is_grey_and_never_black(self) -> None:
        drawn = cartoonify(photograph(), "pencil")
        assert distance(drawn[:, 0], drawn[:, 2]) < 1
        assert drawn.min() > 10

    def test_flat_has_the_colours_of_its_palette(self) -> None:
        drawn = cartoonify(photograph(300, 300), "flat", settings=cartoon_settings("flat", {"levels": 5}))
        colours, counts = drawn[0].flatten(1).T.unique(dim=0, return_counts=True)
        assert counts.sort(descending=True).values[:5].sum() > 0.8 * counts.sum()
        assert len(colours) > 5  # blended at the borders only

    def test_comic_puts_dark_lines_on_edges_and_flattens_the_rest(self) -> None:
        photo = photograph(300, 300)
        drawn = cartoonify(photo, "comic").float()
        luma = drawn.mean(1)
        assert (luma < 40).float().mean() > (photo.float().mean(1) < 40).float().mean() + 0.003
        steps = (drawn[..., 1:] - drawn[..., :-1]).abs().amax(1)
        assert (steps < 2).float().mean() > 0.8

    def test_the_seed_moves_the_grain_of_the_pencil(self) -> None:
        photo = photograph()
        assert not torch.equal(cartoonify(photo, "pencil", seed=1), cartoonify(photo, "pencil", seed=2))
        assert torch.equal(cartoonify(photo, "comic", seed=1), cartoonify(photo, "comic", seed=2))


class TestSettings:
    def test_lines_can_be_more_and_wider(self) -> None:
        photo = photograph(300, 300)

        def dark(**values: float) -> float:
            settings = cartoon_settings("comic", {"blacks": 0, **values})
            return (cartoonify(photo, "comic", settings=settings).float().mean(1) < 40).float().mean().item()

        assert dark(lines=0) < dark(lines=0.7) < dark(lines=2)
        assert dark(line_width=0.6) < dark(line_width=1.5)

    def test_saturation_0_is_grey(self) -> None:
        drawn = cartoonify(photograph(), "comic", settings=cartoon_settings("comic", {"saturation": 0}))
        assert distance(drawn[:, 0], drawn[:, 2]) < 1

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"lnes": 1}, "no parameter 'lnes'. Did you mean 'lines'?"),
            ({"levels": 1}, "levels = 1: "),
            ({"lines": float("nan")}, "lines = nan: "),
        ],
    )
    def test_mistakes_are_said_in_one_line(self, values: dict[str, float], said: str) -> None:
        with pytest.raises(RecipeError) as caught:
            cartoon_settings("comic", values)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_preset_is_guessed(self) -> None:
        with pytest.raises(UnknownNameError, match="Did you mean 'manga'"):
            cartoonify(photograph(), "mangga")

    @pytest.mark.parametrize("strength", [-0.1, 1.6, float("nan")])
    def test_strength_has_a_range(self, strength: float) -> None:
        with pytest.raises(RecipeError, match="strength"):
            cartoonify(photograph(), strength=strength)

    def test_settings_of_another_preset_are_refused(self) -> None:
        with pytest.raises(RecipeError, match="not of the preset 'comic'"):
            cartoonify(photograph(), "comic", settings=cartoon_settings("manga"))

    @pytest.mark.parametrize("pixels", [torch.zeros(3, 8, 8, dtype=torch.uint8), torch.zeros(1, 3, 8, 8)])
    def test_other_tensors_are_refused(self, pixels: Tensor) -> None:
        with pytest.raises(ValueError, match="uint8"):
            cartoonify(pixels)

    def test_every_preset_has_its_own_class_and_summary(self) -> None:
        for entry in registry.entries("cartoons"):
            assert issubclass(entry.thing, CartoonSettings)
            assert entry.summary.endswith(".")


class TestFilters:
    def test_smoothing_removes_grain_and_keeps_the_step(self) -> None:
        step = torch.zeros(1, 1, 40, 40)
        step[..., 20:] = 0.6
        noisy = step + 0.03 * torch.randn(step.shape, generator=torch.Generator().manual_seed(0))
        calm = smooth(noisy, [1, 2, 4, 2, 1], 0.1)
        assert (calm - step)[..., :19].std() < 0.3 * (noisy - step)[..., :19].std()
        assert (calm[..., 20] - calm[..., 19]).mean() > 0.55
        assert calm.mean().item() == pytest.approx(noisy.mean().item(), abs=0.002)

    @pytest.mark.parametrize("angle", [0.0, 30.0, 75.0, 120.0])
    def test_the_flow_runs_along_stripes(self, angle: float) -> None:
        turn = torch.deg2rad(torch.tensor(angle))
        y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
        stripes = 0.5 + 0.5 * torch.sin((x * turn.cos() + y * turn.sin()) * 0.6)
        tangent = flow(stripes[None, None], 3.0)[0, :, 8:-8, 8:-8]
        assert (tangent.square().sum(0) - 1).abs().max() < 1e-5
        across = (tangent[0] * turn.cos() + tangent[1] * turn.sin()).abs()
        assert across.mean() < 0.05

    @pytest.mark.parametrize("dark", [0.1, 0.3, 0.5, 0.8])
    def test_screentone_covers_the_share_that_the_tone_has(self, dark: float) -> None:
        screen = dots(200, 200, 8.0)
        assert (screen < dark).float().mean().item() == pytest.approx(dark, abs=0.03)

    def test_quantised_tones_stay_in_order_and_gather(self) -> None:
        ramp = torch.linspace(0, 1, 1001)
        toned = quantised(ramp, 4, 20)
        assert (toned.diff() >= -1e-6).all()
        near = (toned[:, None] - torch.tensor([0, 1 / 3, 2 / 3, 1])).abs().min(1).values
        assert (near < 0.01).float().mean() > 0.6

    def test_the_palette_finds_a_small_strong_colour(self) -> None:
        planes = torch.full((1, 3, 50, 50), 0.5)
        planes[:, :, :5, :5] = torch.tensor([0.2, 0.4, -0.4])[:, None, None]
        colours = palette(planes, 2)
        assert torch.allclose(colours[1], torch.tensor([0.2, 0.4, -0.4]), atol=1e-4)


class TestAugmentation:
    def test_a_share_of_the_pictures_is_drawn(self) -> None:
        batch = photograph(24, 24).repeat(60, 1, 1, 1)
        spec = {"name": "cartoonify", "probability": 0.4, "presets": ["comic"], "strength": 1}
        changed = (build_augmenter([spec])(batch, 3) * 255 - batch).abs().flatten(1).amax(1) > 2
        assert 0.2 < changed.float().mean() < 0.6
        assert torch.equal(build_augmenter([spec])(batch, 3), build_augmenter([spec])(batch, 3))

    def test_presets_and_strengths_vary(self) -> None:
        batch = photograph(24, 24).repeat(12, 1, 1, 1)
        augment = build_augmenter([{"name": "cartoonify", "probability": 1, "presets": ["comic", "manga"]}])
        assert len(augment(batch, 1).flatten(1).unique(dim=0)) == 12

    @pytest.mark.parametrize(
        ("spec", "said"),
        [({"presets": ["comc"]}, "Did you mean 'comic'"), ({"strength": 2}, "0..1.5"), ({"presets": []}, "presets")],
    )
    def test_mistakes_are_named(self, spec: dict[str, object], said: str) -> None:
        with pytest.raises((RecipeError, UnknownNameError), match=said):
            build_augmenter([{"name": "cartoonify", **spec}])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("preset", PRESETS)
def test_a_gpu_draws_the_same(preset: str) -> None:
    photo = photograph(200, 240)
    there = cartoonify(photo.cuda(), preset)
    assert there.is_cuda
    assert distance(there.cpu(), cartoonify(photo, preset)) < 1
