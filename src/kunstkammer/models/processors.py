"""What image processors of `transformers` do to a picture, read off their settings; what is not known is refused.

A processor resizes, crops, rescales and normalises. `read_processor` says the same as a framing, a central crop, a mean
and a deviation a channel. Only processors that open without torchvision are known here: those of the PIL backend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from kunstkammer.errors import ModelError
from kunstkammer.models.environment import quiet_transformers
from kunstkammer.pictures.framing import Framing, Resample

OWN = "KunstkammerImageProcessor"


@dataclass(frozen=True)
class Manner:
    """How a class differs from the plain pipeline: resize, centre crop, rescale, normalise, pad.

    Attributes:
        resize: how it understands `size`, the name of a rule below.
        ignores: keys of the pipeline that it never looks at.
        knows: keys of its own that are repeated here, or that do nothing to a picture.
    """

    resize: str = "plain"
    ignores: tuple[str, ...] = ()
    knows: tuple[str, ...] = ()


MANNERS = {
    "BeitImageProcessor": Manner(ignores=("do_pad",), knows=("do_reduce_labels",)),
    "ConvNextImageProcessor": Manner("convnext", ignores=("do_pad",), knows=("crop_pct",)),
    "EfficientNetImageProcessor": Manner(ignores=("do_pad",), knows=("rescale_offset", "include_top")),
    "LevitImageProcessor": Manner("levit"),
    "MobileNetV2ImageProcessor": Manner(ignores=("do_pad",), knows=("do_reduce_labels",)),
    "MobileViTImageProcessor": Manner(
        ignores=("do_pad", "do_normalize"), knows=("do_reduce_labels", "do_flip_channel_order")
    ),
    "Owlv2ImageProcessor": Manner("owlv2", ignores=("do_center_crop",)),
    "PerceiverImageProcessor": Manner("perceiver", ignores=("do_pad",)),
    "PoolFormerImageProcessor": Manner("poolformer", knows=("crop_pct",)),
    "SegformerImageProcessor": Manner(ignores=("do_pad", "do_center_crop"), knows=("do_reduce_labels",)),
    "TextNetImageProcessor": Manner("textnet", ignores=("do_pad",), knows=("size_divisor",)),
}
"""Every other class that overrides nothing of the pipeline is read as plain; all the rest are refused by name."""

REASONS = {
    "BridgeTowerImageProcessor": "size_divisor gives inputs of different shapes",
    "DonutImageProcessor": "do_thumbnail scales the picture twice",
    "DPTImageProcessor": "keep_aspect_ratio and ensure_multiple_of give inputs of different shapes",
    "EomtImageProcessor": "do_split_image cuts a picture into several",
    "GLPNImageProcessor": "size_divisor gives inputs of different shapes",
    "ImageGPTImageProcessor": "do_color_quantize gives numbers of colours instead of pixels",
    "LayoutLMv2ImageProcessor": "apply_ocr reads the picture's text with another program",
    "LayoutLMv3ImageProcessor": "apply_ocr reads the picture's text with another program",
    "LlavaImageProcessor": "do_pad fills up with the mean colour",
    "Pix2StructImageProcessor": "max_patches cuts the picture into patches",
    "Siglip2ImageProcessor": "max_num_patches cuts the picture into patches",
    "Swin2SRImageProcessor": "size_divisor gives inputs of different shapes",
    "TvpImageProcessor": "it takes videos",
    "VideoMAEImageProcessor": "it takes videos",
    "ViltImageProcessor": "size_divisor gives inputs of different shapes",
    "VitMatteImageProcessor": "size_divisor gives inputs of different shapes",
    "ZoeDepthImageProcessor": "keep_aspect_ratio and ensure_multiple_of give inputs of different shapes",
}

_PIPELINE = (
    "__call__", "preprocess", "process_image", "convert_to_rgb", "resize", "center_crop", "rescale", "normalize", "pad",
    "_preprocess", "_preprocess_image_like_inputs", "_prepare_image_like_inputs", "_prepare_images_structure",
    "_standardize_kwargs", "_set_attributes",
)  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """What a processor does.

    Attributes:
        framing: from a picture to its plate.
        seen: (height, width) of the centre of the plate that the model sees.
        mean, std: one value a channel as the processor has them (or one for all), for values after rescaling.
        scale: what a uint8 value is multiplied with first.
        flip: blue, green, red instead of red, green, blue.
    """

    framing: Framing
    seen: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float
    flip: bool


def as_processor(settings: Mapping[str, Any], name: str) -> Any:
    """Return the image processor that a `preprocessor_config.json` describes; raise `ModelError` if there is none."""
    from transformers.models.auto.image_processing_auto import get_image_processor_class_from_name

    import kunstkammer.models.own_processor  # noqa: F401 - makes it known

    kind = str(settings.get("image_processor_type", ""))
    found = get_image_processor_class_from_name(f"{kind}Pil") or get_image_processor_class_from_name(kind)
    if found is None:
        raise ModelError(f"{name} names the image processor '{kind}', which transformers does not have.")
    try:
        with quiet_transformers():
            return found.from_dict(dict(settings))
    except (ValueError, TypeError, ImportError) as error:
        raise ModelError(
            f"The image processor {kind} of {name} cannot be made: {' '.join(str(error).split())}"
        ) from error


def kind_of(processor: Any) -> str:
    """Return the name of a processor's class as preprocessor_config.json says it."""
    return type(processor).__name__.removesuffix("Pil")


def read_processor(processor: Any, name: str) -> Reading:
    """Return what an image processor does; raise `ModelError` with class and key where it cannot be repeated."""
    if kind_of(processor) == OWN:
        return Reading(**processor.reading())
    return _Reader(processor, name, _manner(processor, name)).read()


def _manner(processor: Any, name: str) -> Manner:
    """Return how a class differs from the plain pipeline; raise `ModelError` for one that is not known."""
    from transformers.image_processing_backends import PilBackend
    from transformers.processing_utils import ImagesKwargs

    kind = kind_of(processor)
    if kind in REASONS:
        raise _refusal(kind, name, REASONS[kind])
    known = MANNERS.get(kind)
    if not isinstance(processor, PilBackend):
        raise _refusal(kind, name, "it is not of transformers' PIL backend")
    own = sorted(set(processor.valid_kwargs.__annotations__) - set(ImagesKwargs.__annotations__))
    if known is None:
        others = [part for part in _PIPELINE if getattr(type(processor), part) is not getattr(PilBackend, part)]
        if others or list(processor.model_input_names) != ["pixel_values"]:
            keys = f"; its own keys: {', '.join(own)}" if own else ""
            gives = ", ".join(processor.model_input_names)
            raise _refusal(kind, name, f"it gives {gives} in a way of its own ({', '.join(others)}){keys}")
        known = Manner()
    for key in own:
        if key not in known.knows and getattr(processor, key, None) not in (None, False):
            raise _refusal(kind, name, f"its key {key} is not known")
    return known


def _refusal(kind: str, name: str, reason: str) -> ModelError:
    return ModelError(
        f"{name} prepares pictures with {kind}, which cannot be repeated here: {reason}. "
        "Give it a preprocessor_config.json with a fixed size."
    )


@dataclass(frozen=True)
class _Reader:
    """One reading of one processor."""

    processor: Any
    name: str
    manner: Manner

    def get(self, key: str) -> Any:
        """Return a setting, None where the class does not look at it."""
        return None if key in self.manner.ignores else getattr(self.processor, key, None)

    def refuse(self, reason: str) -> ModelError:
        """Return the error that names the class and the reason."""
        return _refusal(kind_of(self.processor), self.name, reason)

    def read(self) -> Reading:
        """Return what the processor does."""
        framing, seen = getattr(self, f"_{self.manner.resize}")()
        padded = self._pair("pad_size") if self.get("do_pad") and self.manner.resize != "owlv2" else None
        if padded is not None and padded != seen:
            raise self.refuse(f"do_pad with pad_size {padded} fills up after normalising, beyond {seen}")
        mean, std, scale = self._numbers()
        return Reading(framing, seen, mean, std, scale, bool(self.get("do_flip_channel_order")))

    def _numbers(self) -> tuple[tuple[float, ...], tuple[float, ...], float]:
        rescales = bool(self.get("do_rescale"))
        scale = float(self.get("rescale_factor")) if rescales else 1.0
        mean, std = [0.0], [1.0]
        if self.get("do_normalize"):
            mean, std = _values(self.get("image_mean")), _values(self.get("image_std"))
        if rescales and self.get("rescale_offset"):  # EfficientNet: one less after rescaling
            mean = [value + 1 for value in mean]
        if self.get("include_top"):  # EfficientNet: divided by the deviation once more
            again = _values(self.get("image_std"))
            length = max(len(std), len(again))
            std = [a * b for a, b in zip(_long(std, length), _long(again, length), strict=True)]
        length = max(len(mean), len(std))
        return tuple(_long(mean, length)), tuple(_long(std, length)), scale

    def _size(self, key: str = "size") -> dict[str, int]:
        found = getattr(self.processor, key, None)
        return {} if found is None else {name: int(value) for name, value in dict(found).items() if value}

    def _pair(self, key: str) -> tuple[int, int] | None:
        found = self._size(key)
        return (found["height"], found["width"]) if {"height", "width"} <= found.keys() else None

    @property
    def _cropped(self) -> tuple[int, int] | None:
        if not self.get("do_center_crop"):
            return None
        found = self._pair("crop_size")
        if found is None:
            raise self.refuse(f"crop_size has no height and width ({self._size('crop_size')})")
        return found

    @property
    def _resample(self) -> Resample:
        given = self.get("resample")
        return "bilinear" if given is None else Image.Resampling(given).name.lower()  # type: ignore[return-value]

    def _edge_or_pair(self) -> int | tuple[int, int]:
        """Return the length of the shorter side, or (height, width); refuse what leaves the shape open."""
        if not self.get("do_resize"):
            raise self.refuse("do_resize is false, so inputs are as large as the pictures")
        size = self._size()
        if "shortest_edge" in size and "longest_edge" in size:
            raise self.refuse("size.longest_edge gives inputs of different shapes")
        if "shortest_edge" in size:
            return size["shortest_edge"]
        pair = self._pair("size")
        if pair is None:
            raise self.refuse(f"size {size} gives inputs of different shapes")
        return pair

    def _laid(self, size: int | tuple[int, int], crop: tuple[int, int] | None) -> tuple[Framing, tuple[int, int]]:
        """Return the framing for a shorter side or (height, width), and what is seen after a centre crop."""
        if isinstance(size, tuple):
            seen = crop or size
            if seen[0] > size[0] or seen[1] > size[1]:
                raise self.refuse(f"crop_size {seen} is larger than size {size}, which leaves a black border")
            return Framing(*size, resample=self._resample), seen
        if crop is None:
            raise self.refuse("size.shortest_edge without do_center_crop gives inputs of different shapes")
        # The plate is larger than what is seen by an even number of pixels, so that both have the same middle.
        height, width = (side if size < side else size - (size - side) % 2 for side in crop)
        if (height, width) == (size, size):
            return Framing(size, size, "crop", self._resample), crop
        ground = 0 if max(height, width) > size else 255
        return Framing(height, width, "crop", self._resample, edge=size, ground=ground), crop

    def _plain(self) -> tuple[Framing, tuple[int, int]]:
        return self._laid(self._edge_or_pair(), self._cropped)

    def _convnext(self) -> tuple[Framing, tuple[int, int]]:
        size, crop = self._edge_or_pair(), self._cropped
        if not isinstance(size, int):
            raise self.refuse("it takes size.shortest_edge alone")
        if size >= 384:
            return self._laid((size, size), crop)
        if crop not in (None, (size, size)):
            raise self.refuse(f"do_center_crop to {crop} beside crop_pct crops twice")
        return self._laid(int(size / float(self.get("crop_pct"))), (size, size))

    def _levit(self) -> tuple[Framing, tuple[int, int]]:
        size = self._edge_or_pair()
        return self._laid(int((256 / 224) * size) if isinstance(size, int) else size, self._cropped)

    def _poolformer(self) -> tuple[Framing, tuple[int, int]]:
        size, share = self._edge_or_pair(), float(self.get("crop_pct"))
        if isinstance(size, int) or size[0] == size[1]:
            return self._laid(int((size if isinstance(size, int) else size[0]) / share), self._cropped)
        return self._laid((int(size[0] / share), int(size[1] / share)), self._cropped)

    def _textnet(self) -> tuple[Framing, tuple[int, int]]:
        raise self.refuse("size_divisor gives inputs of different shapes")

    def _perceiver(self) -> tuple[Framing, tuple[int, int]]:
        size, crop = self._edge_or_pair(), self._cropped
        if crop is None:
            return self._laid(size, None)
        if not isinstance(size, tuple):
            raise self.refuse("it takes size.height and size.width alone")
        shares = {size[0] / crop[0], size[1] / crop[1]}
        if len(shares) > 1 or max(shares) > 1:
            raise self.refuse(f"crop_size {crop} is no square centre of size {size}")
        return Framing(*size, resample=self._resample, centre=shares.pop()), size

    def _owlv2(self) -> tuple[Framing, tuple[int, int]]:
        size = self._edge_or_pair()
        if not isinstance(size, tuple):
            raise self.refuse("it takes size.height and size.width alone")
        if not self.get("do_rescale"):
            raise self.refuse("do_rescale is false, so that it blurs in whole numbers")
        if self.get("do_pad"):
            return Framing(*size, "pad", "gaussian", ground=0, corner=True), size
        return Framing(*size, "squash", "gaussian"), size


def _values(given: float | Sequence[float]) -> list[float]:
    return [float(given)] if isinstance(given, int | float) else [float(value) for value in given]


def _long(values: list[float], length: int) -> list[float]:
    return values if len(values) == length else values * length
