"""Photographs become drawings: `filters` smooths, `tone` quantises, `presets` draws, `fit` suits them to others.

May import: the modules of `pictures` beside it, `registry`, `errors`.
Public: `cartoonify`, `fit_cartoon` and their settings; the registry kind "cartoons".
"""

from kunstkammer.pictures.cartoon.draw import cartoon_settings, cartoonify
from kunstkammer.pictures.cartoon.fit import FittedCartoon, fit_cartoon
from kunstkammer.pictures.cartoon.settings import MOST_STRENGTH, CartoonSettings

__all__ = ["MOST_STRENGTH", "CartoonSettings", "FittedCartoon", "cartoon_settings", "cartoonify", "fit_cartoon"]
