"""Image processors of transformers: our input is theirs to 1/255, or the checkpoint is refused with the reason."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import AutoImageProcessor
from transformers.models.auto import image_processing_auto as auto

from kunstkammer.data.plates import PlateSettings
from kunstkammer.errors import ModelError
from kunstkammer.models.catalogue import Task, create_model
from kunstkammer.models.exported import Plate
from kunstkammer.models.geometry import PictureGeometry
from kunstkammer.models.probe import MOST, check_geometry, difference, prepared
from kunstkammer.models.processors import MANNERS, REASONS, as_processor
from kunstkammer.models.run import open_run
from kunstkammer.pictures.plate import make_plate
from kunstkammer.pictures.read import read_picture
from kunstkammer.training.fit import write_checkpoint

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared"
ROUNDING = 1e-3 / 255

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}

# Each as the class has it, and as checkpoints on the hub have it; small sizes beside, for speed.
ACCEPTED: dict[str, tuple[str, dict[str, Any]]] = {
    "ViT": ("ViTImageProcessor", {}),
    "ViT, resample 3": ("ViTImageProcessor", {"resample": 3, "size": {"height": 96, "width": 96}}),
    "ViT, an old size": ("ViTImageProcessor", {"size": 96}),
    "ViT, not square": ("ViTImageProcessor", {"size": {"height": 64, "width": 120}, "resample": 1}),
    "ViT, nothing but bytes": ("ViTImageProcessor", {"do_rescale": False, "do_normalize": False}),
    "ViT, bytes normalised": ("ViTImageProcessor", {"do_rescale": False, "image_mean": [127.5] * 3}),
    "ViT, one number for all": ("ViTImageProcessor", {"rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3}),
    "ViT, pad that does nothing": ("ViTImageProcessor", {"do_pad": True}),
    "Swin": ("ViTImageProcessor", {"resample": 3, **IMAGENET}),
    "box": ("ViTImageProcessor", {"resample": 4, "size": {"height": 72, "width": 80}}),
    "hamming": ("ViTImageProcessor", {"resample": 5, "size": {"height": 72, "width": 80}}),
    "DeiT": ("DeiTImageProcessor", IMAGENET),
    "DeiT, odd": (
        "DeiTImageProcessor",
        {"size": {"height": 75, "width": 80}, "crop_size": {"height": 64, "width": 61}},
    ),
    "DeiT, no crop": ("DeiTImageProcessor", {"do_center_crop": False}),
    "DINOv2": ("BitImageProcessor", {"size": {"shortest_edge": 256}, "resample": 3, **IMAGENET}),
    "BiT, 480": ("BitImageProcessor", {"size": {"shortest_edge": 480}, "crop_size": 480, "resample": 2}),
    "BiT, odd": ("BitImageProcessor", {"size": {"shortest_edge": 75}, "crop_size": {"height": 64, "width": 61}}),
    "BiT, beyond": ("BitImageProcessor", {"size": {"shortest_edge": 60}, "crop_size": {"height": 75, "width": 50}}),
    "CLIP": ("CLIPImageProcessor", {}),
    "CLIP, nearest": ("CLIPImageProcessor", {"resample": 0, "size": {"shortest_edge": 64}, "crop_size": 64}),
    "ChineseCLIP": ("ChineseCLIPImageProcessor", {}),
    "Chameleon": ("ChameleonImageProcessor", {"size": {"shortest_edge": 128}, "crop_size": 128}),
    "SigLIP": ("SiglipImageProcessor", {"size": {"height": 224, "width": 224}}),
    "BLIP": ("BlipImageProcessor", {"size": {"height": 96, "width": 96}}),
    "PVT": ("PvtImageProcessor", {}),
    "PPChart2Table": ("PPChart2TableImageProcessor", {"size": {"height": 96, "width": 96}}),
    "OWL-ViT": ("OwlViTImageProcessor", {"size": {"height": 96, "width": 96}}),
    "OWL-ViT, crop": (
        "OwlViTImageProcessor",
        {"size": {"height": 96, "width": 96}, "crop_size": {"height": 80, "width": 80}, "do_center_crop": True},
    ),
    "OWLv2": ("Owlv2ImageProcessor", {"size": {"height": 96, "width": 96}}),
    "OWLv2, no pad": ("Owlv2ImageProcessor", {"size": {"height": 96, "width": 80}, "do_pad": False}),
    "BEiT": ("BeitImageProcessor", {"size": {"height": 256, "width": 256}, "do_center_crop": True}),
    "BEiT, labels": ("BeitImageProcessor", {"do_reduce_labels": True}),
    "SegFormer": ("SegformerImageProcessor", {"size": {"height": 128, "width": 128}}),
    "SegFormer, crop not looked at": (
        "SegformerImageProcessor",
        {"size": {"height": 128, "width": 128}, "do_center_crop": True, "crop_size": {"height": 64, "width": 64}},
    ),
    "MobileNetV1": ("MobileNetV1ImageProcessor", {}),
    "MobileNetV2": ("MobileNetV2ImageProcessor", {}),
    "MobileViT": ("MobileViTImageProcessor", {"size": {"shortest_edge": 288}}),
    "MobileViT, as the class has it": ("MobileViTImageProcessor", {}),
    "MobileViT, not flipped": ("MobileViTImageProcessor", {"do_flip_channel_order": False, "do_normalize": True}),
    "LeViT": ("LevitImageProcessor", {}),
    "LeViT, squashed": ("LevitImageProcessor", {"size": {"height": 96, "width": 90}, "do_center_crop": False}),
    "PoolFormer": ("PoolFormerImageProcessor", {}),
    "PoolFormer, m48": ("PoolFormerImageProcessor", {"crop_pct": 0.95}),
    "PoolFormer, a square": ("PoolFormerImageProcessor", {"size": {"height": 96, "width": 96}, "crop_size": 96}),
    "PoolFormer, no square": (
        "PoolFormerImageProcessor",
        {"size": {"height": 64, "width": 96}, "crop_size": {"height": 60, "width": 80}},
    ),
    "ConvNeXt, 224": ("ConvNextImageProcessor", {"size": {"shortest_edge": 224}, "resample": 3, **IMAGENET}),
    "ConvNeXt, crop_pct 0.95": ("ConvNextImageProcessor", {"size": {"shortest_edge": 96}, "crop_pct": 0.95}),
    "ConvNeXt, 384": ("ConvNextImageProcessor", {"crop_pct": 1.0}),
    "ResNet, an old size": ("ConvNextImageProcessor", {"size": 224, "crop_pct": 0.875, **IMAGENET}),
    "EfficientNet b0": (
        "EfficientNetImageProcessor",
        {"size": {"height": 224, "width": 224}, "resample": 0, "image_std": [0.47853944, 0.4732864, 0.47434163], **{
            "image_mean": IMAGENET["image_mean"]}},
    ),
    "EfficientNet, offset": (
        "EfficientNetImageProcessor",
        {"size": {"height": 96, "width": 96}, "rescale_factor": 1 / 127.5, "rescale_offset": True,
         "include_top": False},
    ),
    "EfficientNet, top alone": (
        "EfficientNetImageProcessor",
        {"size": {"height": 96, "width": 96}, "do_normalize": False, "rescale_offset": True},
    ),
    "EfficientNet, crop": (
        "EfficientNetImageProcessor",
        {"size": {"height": 96, "width": 96}, "do_center_crop": True, "crop_size": {"height": 81, "width": 80}},
    ),
    "Perceiver": ("PerceiverImageProcessor", {}),
    "Perceiver, no crop": ("PerceiverImageProcessor", {"do_center_crop": False}),
}  # fmt: skip

REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "no resize": ("ViTImageProcessor", {"do_resize": False}, "do_resize"),
    "no resize but a crop": ("CLIPImageProcessor", {"do_resize": False}, "do_resize"),
    "shorter side alone": ("CLIPImageProcessor", {"do_center_crop": False}, "do_center_crop"),
    "SigLIP, shorter side": ("SiglipImageProcessor", {"size": 224}, "shortest_edge"),
    "longest edge too": ("BitImageProcessor", {"size": {"shortest_edge": 224, "longest_edge": 400}}, "longest_edge"),
    "at most": ("ViTImageProcessor", {"size": {"max_height": 64, "max_width": 64}}, "max_height"),
    "padded after": ("ViTImageProcessor", {"do_pad": True, "pad_size": {"height": 300, "width": 300}}, "do_pad"),
    "crop larger": ("DeiTImageProcessor", {"size": {"height": 90, "width": 90}}, "crop_size"),
    "ConvNeXt cropped twice": (
        "ConvNextImageProcessor",
        {"size": {"shortest_edge": 96}, "do_center_crop": True, "crop_size": {"height": 64, "width": 64}},
        "crop_pct",
    ),
    "ConvNeXt, two sides": ("ConvNextImageProcessor", {"size": {"height": 9, "width": 9}}, "shortest_edge"),
    "Perceiver, an oblong": ("PerceiverImageProcessor", {"crop_size": {"height": 256, "width": 300}}, "crop_size"),
    "OWLv2 on bytes": ("Owlv2ImageProcessor", {"do_rescale": False}, "do_rescale"),
    "TextNet": ("TextNetImageProcessor", {"do_center_crop": True}, "size_divisor"),
    "Donut": ("DonutImageProcessor", {}, "do_thumbnail"),
    "DPT": ("DPTImageProcessor", {"keep_aspect_ratio": True}, "keep_aspect_ratio"),
    "ViLT": ("ViltImageProcessor", {}, "size_divisor"),
    "ImageGPT": ("ImageGPTImageProcessor", {}, "do_color_quantize"),
    "SigLIP 2": ("Siglip2ImageProcessor", {}, "max_num_patches"),
    "DETR": ("DetrImageProcessor", {}, "format"),
    "Gemma": ("Gemma3ImageProcessor", {}, "do_pan_and_scan"),
    "a video": ("VideoMAEImageProcessor", {}, "videos"),
}

SIZES = [(1, 40), (40, 1), (17, 300), (300, 17), (480, 640), (161, 97), (64, 64), (255, 257), (700, 500)]


def picture(height: int, width: int, seed: int = 0) -> Image.Image:
    """A picture with slopes, sharp edges and noise: what filters differ on."""
    y, x = np.mgrid[:height, :width]
    slopes = np.stack([x * 255 // width, y * 255 // height, (x // 7 + y // 9) % 2 * 255], axis=-1)
    noise = np.random.default_rng(seed).integers(-60, 61, slopes.shape)
    return Image.fromarray(np.clip(slopes + noise, 0, 255).astype(np.uint8))


def processor_of(kind: str, given_: dict[str, Any]) -> Any:
    return as_processor({"image_processor_type": kind, **given_}, "test")


def geometry_of(processor: Any) -> PictureGeometry:
    return PictureGeometry.from_processor(processor, channels=3, grey=False, name="test")


def apart(processor: Any, geometry: PictureGeometry, image: Image.Image) -> float:
    """How far ours is from theirs, in units of the pixel from 0 to 1."""
    theirs = processor(image, return_tensors="pt")["pixel_values"]
    file = BytesIO()
    image.save(file, "PNG", compress_level=0)
    ours = geometry.prepare(torch.from_numpy(make_plate(file.getvalue(), geometry.plate, "test").copy())[None])
    assert torch.equal(ours, prepared(image, geometry))
    assert ours.shape == theirs.shape
    return difference(ours, theirs, geometry)


@pytest.mark.parametrize("case", ACCEPTED)
def test_our_input_is_the_processors(case):
    processor = processor_of(*ACCEPTED[case])
    geometry = geometry_of(processor)
    for height, width in SIZES:
        if geometry.plate.centre and min(height, width) == 1:
            continue  # theirs cuts out a square of 0 pixels
        assert apart(processor, geometry, picture(height, width)) <= MOST + ROUNDING, (height, width)
    check_geometry(processor, geometry, "test")


@pytest.mark.parametrize("case", ["ViT", "DINOv2", "MobileViT", "ConvNeXt, crop_pct 0.95", "EfficientNet b0", "OWLv2"])
@settings(max_examples=15)
@given(height=st.integers(1, 400), width=st.integers(20, 400), seed=st.integers(0, 9))
def test_pictures_of_any_size(case, height, width, seed):
    processor = processor_of(*ACCEPTED[case])
    assert apart(processor, geometry_of(processor), picture(height, width, seed)) <= MOST + ROUNDING


@pytest.mark.parametrize("case", ["ViT", "EfficientNet b0", "DINOv2", "MobileViT"])
def test_large_jpegs_by_the_path_of_predict(case):
    processor = processor_of(*ACCEPTED[case])
    geometry = geometry_of(processor)
    for size in ((2000, 3000), (3000, 900)):
        file = BytesIO()
        picture(*size).save(file, "JPEG", quality=92)
        data = file.getvalue()
        theirs = processor(read_picture(data), return_tensors="pt")["pixel_values"]
        ours = geometry.prepare(torch.from_numpy(make_plate(data, geometry.plate, "large").copy())[None])
        assert difference(ours, theirs, geometry) <= MOST + ROUNDING


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_repeated_is_refused_by_name_with_the_key(case):
    kind, values, reason = REFUSED[case]
    with pytest.raises(ModelError, match=reason) as found:
        geometry_of(processor_of(kind, values))
    assert kind in str(found.value)


def test_every_class_that_opens_here_is_either_known_or_refused_by_name():
    kinds = {names["pil"] for names in auto.IMAGE_PROCESSOR_MAPPING_NAMES.values() if names.get("pil")}
    tested = {kind for kind, _ in ACCEPTED.values()} | {kind for kind, *_ in REFUSED.values()}
    for name in sorted(kinds):
        kind = name.removesuffix("Pil")
        try:
            geometry = geometry_of(processor_of(kind, {}))
        except ModelError as error:
            found = str(error)
        else:
            found = geometry.to_processor()["image_processor_type"]
            assert kind in tested, f"{kind} is read but no test compares it"
        assert kind in found
    assert {*MANNERS, *REASONS} <= {name.removesuffix("Pil") for name in kinds}


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_is_written_is_the_same_class_and_is_read_back(case, tmp_path):
    kind, values = ACCEPTED[case]
    geometry = geometry_of(processor_of(kind, values))
    settings_ = geometry.to_processor()
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings_))
    again = AutoImageProcessor.from_pretrained(tmp_path)
    assert type(again).__name__.removesuffix("Pil") == kind
    assert geometry_of(again) == geometry
    exported = Plate.model_validate_json(Plate.of(geometry.plate).model_dump_json())
    assert exported.settings == geometry.plate


@pytest.mark.parametrize("numbers", [{"image_mean": [0.4], "image_std": [0.3], "do_convert_rgb": False}, {}])
def test_a_grey_network_is_compared_on_grey_pictures(numbers):
    processor = processor_of("ViTImageProcessor", {"size": {"height": 40, "width": 40}, "resample": 3, **numbers})
    geometry = PictureGeometry.from_processor(processor, channels=1, grey=True, name="test")
    check_geometry(processor, geometry, "test")
    assert geometry.mean == ((0.4,) if numbers else (0.5,))


def test_an_older_export_still_says_what_it_did():
    assert Plate.model_validate({"height": 9, "width": 8, "grey": True, "fit": "pad"}).settings == PlateSettings(
        9, 8, True, "pad"
    )


OURS = [
    (PlateSettings(64, 64), (64, 64), "ViTImageProcessor"),
    (PlateSettings(64, 48, resample="lanczos"), (64, 48), "ViTImageProcessor"),
    (PlateSettings(64, 64), (56, 50), "DeiTImageProcessor"),
    (PlateSettings(64, 64, fit="crop"), (56, 56), "BitImageProcessor"),
    (PlateSettings(64, 64, fit="crop"), (57, 57), "KunstkammerImageProcessor"),
    (PlateSettings(64, 48, fit="crop"), (64, 48), "KunstkammerImageProcessor"),
    (PlateSettings(64, 64, fit="pad"), (64, 64), "KunstkammerImageProcessor"),
    (PlateSettings(64, 48, fit="pad", resample="bicubic", ground=0), (60, 40), "KunstkammerImageProcessor"),
]


@pytest.mark.parametrize(("plate", "seen", "kind"), OURS)
@pytest.mark.parametrize("flip", [False, True])
def test_transformers_alone_prepares_pictures_of_our_own_runs_as_we_do(plate, seen, kind, flip, tmp_path):
    geometry = PictureGeometry(plate, seen, 3, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), flip=flip)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(geometry.to_processor()))
    processor = AutoImageProcessor.from_pretrained(tmp_path)
    assert type(processor).__name__.removesuffix("Pil") == ("KunstkammerImageProcessor" if flip else kind)
    for height, width in SIZES:
        assert apart(processor, geometry, picture(height, width)) <= MOST + ROUNDING
    assert geometry_of(processor) == geometry
    processor.save_pretrained(tmp_path / "again")
    assert geometry_of(AutoImageProcessor.from_pretrained(tmp_path / "again")) == geometry


def test_the_guard_stops_a_processor_that_was_misread():
    processor = processor_of("ViTImageProcessor", {"size": {"height": 64, "width": 64}, "resample": 3})
    geometry = geometry_of(processor)
    check_geometry(processor, geometry, "test")
    processor.resample = 0  # as if a release of transformers meant something else by the same setting
    with pytest.raises(ModelError, match="ViTImageProcessor, the image processor of test, prepares a picture"):
        check_geometry(processor, geometry, "test")
    processor.size = {"height": 32, "width": 32}
    with pytest.raises(ModelError, match=r"gives \(3, 32, 32\)"):
        check_geometry(processor, geometry, "test")
    processor.image_mean = [0.1, 0.2]
    with pytest.raises(ModelError, match="fails: mean must have 3 elements"):
        check_geometry(processor, geometry, "test")


def small_model(family: str) -> Any:
    """A classifier of one family with random weights."""
    torch.manual_seed(0)
    count = 1000 if family == "pvt" else 3  # the config of PVT knows no other number
    labels = {"id2label": {k: f"label {k}" for k in range(count)}, "label2id": {f"label {k}": k for k in range(count)}}
    vit = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    one = {"depths": [1, 1, 1, 1], "hidden_sizes": [8, 8, 8, 16]}
    kinds: dict[str, tuple[str, str, dict[str, Any]]] = {
        "vit": ("ViT", "ViTForImageClassification", {**vit, "image_size": 224, "patch_size": 32}),
        "deit": ("DeiT", "DeiTForImageClassification", {**vit, "image_size": 224, "patch_size": 32}),
        "dinov2": ("Dinov2", "Dinov2ForImageClassification", {**vit, "image_size": 224, "patch_size": 14}),
        "beit": ("Beit", "BeitForImageClassification", {**vit, "image_size": 224, "patch_size": 32}),
        "convnext": ("ConvNext", "ConvNextForImageClassification", one),
        "resnet": ("ResNet", "ResNetForImageClassification", {**one, "embedding_size": 8, "layer_type": "basic"}),
        "bit": ("Bit", "BitForImageClassification", {**one, "embedding_size": 32, "hidden_sizes": [128] * 4}),
        "poolformer": ("PoolFormer", "PoolFormerForImageClassification", {
            "depths": [1, 1, 1, 1], "hidden_sizes": [8, 8, 8, 16]}),
        "swin": ("Swin", "SwinForImageClassification", {
            "image_size": 224, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 1], "window_size": 7}),
        "mobilenet_v1": ("MobileNetV1", "MobileNetV1ForImageClassification", {"depth_multiplier": 0.25}),
        "mobilenet_v2": ("MobileNetV2", "MobileNetV2ForImageClassification", {"depth_multiplier": 0.25}),
        "mobilevit": ("MobileViT", "MobileViTForImageClassification", {
            "hidden_sizes": [16, 16, 16], "neck_hidden_sizes": [8, 8, 8, 16, 16, 16, 32]}),
        "levit": ("Levit", "LevitForImageClassification", {
            "hidden_sizes": [16, 32, 32], "num_attention_heads": [1, 2, 2], "depths": [1, 1, 1]}),
        "efficientnet": ("EfficientNet", "EfficientNetForImageClassification", {"width_coefficient": 0.25,
            "depth_coefficient": 0.2, "hidden_dim": 320}),
        "pvt": ("Pvt", "PvtForImageClassification", {"depths": [1, 1, 1, 1], "hidden_sizes": [8, 16, 40, 64]}),
        "segformer": ("Segformer", "SegformerForImageClassification", {
            "depths": [1, 1, 1, 1], "hidden_sizes": [8, 8, 16, 16], "num_attention_heads": [1, 1, 2, 2]}),
    }  # fmt: skip
    config, model, values = kinds[family]
    found = getattr(transformers, model)(getattr(transformers, f"{config}Config")(**values, **labels))
    for name, buffer in found.named_buffers():  # away from what makes a batch normalisation do nothing
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
    return found.eval()


FAMILIES = {
    "vit": "ViT", "deit": "DeiT", "dinov2": "DINOv2", "beit": "BEiT, labels", "convnext": "ConvNeXt, 224",
    "resnet": "ResNet, an old size", "bit": "BiT, 480", "poolformer": "PoolFormer", "swin": "Swin",
    "mobilenet_v1": "MobileNetV1", "mobilenet_v2": "MobileNetV2", "mobilevit": "MobileViT", "levit": "LeViT",
    "efficientnet": "EfficientNet b0", "pvt": "PVT", "segformer": "SegFormer",
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_a_checkpoint_of_each_family_answers_as_transformers_alone(family, tmp_path):
    kind, values = ACCEPTED[FAMILIES[family]]
    model = small_model(family)
    model.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_processor_type": kind, **values}))
    run = open_run(tmp_path)
    processor = AutoImageProcessor.from_pretrained(tmp_path)
    for height, width in ((300, 500), (410, 233)):
        image = picture(height, width)
        file = tmp_path / "picture.png"
        image.save(file)
        plate = torch.from_numpy(make_plate(file, run.plate_settings, "picture").copy())[None]
        with torch.inference_mode():
            pixels = processor(image, return_tensors="pt")["pixel_values"]
            theirs = model(pixel_values=pixels).logits.softmax(1)
        # Where a few pixels are one level apart (bilinear squash by the quick kernel), the answer may move a little.
        same = difference(run.prepare(plate), pixels, run.geometry) < 1e-4
        assert float((run.logits(plate).softmax(1) - theirs).abs().max()) < (1e-4 if same else 2e-3)


@pytest.mark.parametrize("fit", ["squash", "pad", "crop", None])
@pytest.mark.parametrize("family", ["mobilevit", "efficientnet", "resnet"])
def test_a_fine_tuned_checkpoint_is_written_as_it_came_but_for_what_the_recipe_changed(family, fit, tmp_path):
    kind, values = ACCEPTED[FAMILIES[family]]
    (tmp_path / "old").mkdir()
    small_model(family).save_pretrained(tmp_path / "old")
    (tmp_path / "old" / "preprocessor_config.json").write_text(json.dumps({"image_processor_type": kind, **values}))
    model, geometry = create_model(str(tmp_path / "old"), Task(("a", "b"), size=(96, 96), fit=fit))
    whole = open_run(tmp_path / "old").geometry
    assert geometry.input_size == (96, 96)
    assert (geometry.mean, geometry.std, geometry.scale) == (whole.mean, whole.std, whole.scale)
    assert (geometry.flip, geometry.plate.resample) == (whole.flip, whole.plate.resample)
    assert geometry.plate.fit == (fit or whole.plate.fit)
    (tmp_path / "new").mkdir()
    write_checkpoint(tmp_path / "new", model, geometry)
    assert open_run(tmp_path / "new").geometry == geometry
    processor = AutoImageProcessor.from_pretrained(tmp_path / "new")
    if fit in (None, whole.plate.fit):
        assert type(processor).__name__.removesuffix("Pil") == kind
    assert apart(processor, geometry, picture(200, 310)) <= MOST + ROUNDING


@pytest.mark.real
@pytest.mark.skipif(not (SHARED / "weights" / "mobilenet_v2_1.0_224").is_dir(), reason="no weights in ../shared")
@pytest.mark.skipif(not (SHARED / "data" / "photos").is_dir(), reason="no photographs in ../shared")
def test_a_real_network_answers_as_transformers_alone():
    folder = SHARED / "weights" / "mobilenet_v2_1.0_224"
    run, processor = open_run(folder), AutoImageProcessor.from_pretrained(folder)
    files = sorted((SHARED / "data" / "photos").glob("*.jpg"))
    assert files
    for file in files:
        image = read_picture(file)
        with torch.inference_mode():
            theirs = run.model(pixel_values=processor(image, return_tensors="pt")["pixel_values"]).logits.softmax(1)
        plate = BytesIO()
        image.save(plate, "PNG", compress_level=0)
        ours = run.logits(torch.from_numpy(make_plate(plate.getvalue(), run.plate_settings, file.name).copy())[None])
        assert float((ours.softmax(1) - theirs).abs().max()) < 1e-4
