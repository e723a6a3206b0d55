"""Kunstkammer: from a folder of drawn, struck or painted pictures to a classifier you can trust."""

from kunstkammer.version import __version__

__all__ = ["__version__"]
