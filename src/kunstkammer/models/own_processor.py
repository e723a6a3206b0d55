"""An image processor of `transformers` that prepares pictures as Kunstkammer does, for what no stock one can do.

`fit: pad` and crops that are not square have no stock processor. After `import kunstkammer`,
`AutoImageProcessor.from_pretrained` opens this one as any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image
from transformers import AutoImageProcessor, PreTrainedConfig
from transformers.image_processing_utils import BaseImageProcessor, BatchFeature
from transformers.image_utils import make_flat_list_of_images, to_numpy_array

from kunstkammer.pictures.framing import Framing, central


class KunstkammerImageProcessor(BaseImageProcessor):  # type: ignore[misc]
    """Lays pictures into plates, cuts out the centre, rescales and normalises.

    Args:
        framing: the fields of `Framing`.
        input_size: (height, width) of the centre of the plate that the model sees.
        image_mean, image_std: one value a channel, for values after rescaling.
        rescale_factor: what a uint8 value is multiplied with.
        flip: blue, green, red instead of red, green, blue.
    """

    model_input_names = ["pixel_values"]  # noqa: RUF012 - as the base class has it

    def __init__(
        self,
        framing: Mapping[str, Any],
        input_size: Sequence[int],
        image_mean: Sequence[float] = (0.0, 0.0, 0.0),
        image_std: Sequence[float] = (1.0, 1.0, 1.0),
        rescale_factor: float = 1 / 255,
        flip: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.framing = dict(framing)
        self.input_size = [int(side) for side in input_size]
        self.image_mean, self.image_std = [float(v) for v in image_mean], [float(v) for v in image_std]
        self.rescale_factor = float(rescale_factor)
        self.flip = bool(flip)

    def reading(self) -> dict[str, Any]:
        """Return the fields of `models.processors.Reading`."""
        return {
            "framing": Framing(**self.framing),
            "seen": (self.input_size[0], self.input_size[1]),
            "mean": tuple(self.image_mean),
            "std": tuple(self.image_std),
            "scale": self.rescale_factor,
            "flip": self.flip,
        }

    def preprocess(self, images: Any, return_tensors: str | None = None, **kwargs: Any) -> Any:
        """Return `pixel_values` float32 (N, 3, height, width) for a picture or several (PIL, arrays or tensors)."""
        values = [self._prepared(_as_image(image)) for image in make_flat_list_of_images(self.fetch_images(images))]
        return BatchFeature(data={"pixel_values": values}, tensor_type=return_tensors)

    def _prepared(self, image: Image.Image) -> np.ndarray:
        framing = Framing(**self.framing)
        top, left = central(framing.size, self.input_size)
        plate = np.asarray(framing.apply(image))[top : top + self.input_size[0], left : left + self.input_size[1]]
        mean, std = np.array(self.image_mean, np.float32), np.array(self.image_std, np.float32)
        pixels = (plate * np.float32(self.rescale_factor) - mean) / std
        return np.ascontiguousarray((pixels[..., ::-1] if self.flip else pixels).transpose(2, 0, 1), dtype=np.float32)


def _as_image(image: Any) -> Image.Image:
    if isinstance(image, Image.Image):
        return image.convert("RGB")
    array = to_numpy_array(image)
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (1, 3):
        array = array.transpose(1, 2, 0)
    return Image.fromarray(array.squeeze().astype(np.uint8)).convert("RGB")


class _Keeper(PreTrainedConfig):  # type: ignore[misc]
    """No network's: the table of image processors finds a class by name among those that are kept under a config."""

    model_type = "kunstkammer-image-processor"


AutoImageProcessor.register(_Keeper, image_processor_classes={"pil": KunstkammerImageProcessor}, exist_ok=True)
