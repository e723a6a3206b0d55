"""Photographs become drawings: `filters` smooths, `tone` quantises, `presets` draws, `draw` leads through them."""

from kunstkammer.pictures.cartoon.draw import cartoon_settings, cartoonify
from kunstkammer.pictures.cartoon.settings import MOST_STRENGTH, CartoonSettings

__all__ = ["MOST_STRENGTH", "CartoonSettings", "cartoon_settings", "cartoonify"]
