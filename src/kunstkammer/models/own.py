"""Kunstkammer's own networks: importing this makes `transformers` know them."""

from kunstkammer.models.scene import SceneNet
from kunstkammer.models.sketchnet import SketchNet

__all__ = ["SceneNet", "SketchNet"]
