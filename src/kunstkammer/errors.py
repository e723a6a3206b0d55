"""Errors that a user can act on. Every message names the thing and the mend, on one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class KunstkammerError(Exception):
    """Base of every error that Kunstkammer raises on purpose; the command prints its message and exits with 1."""


class PictureError(KunstkammerError):
    """A picture that cannot be read.

    Attributes:
        file: the name of the picture, as the user knows it.
        cause: what is wrong with it, in a few words ("truncated", "not a picture (text)", ...).
    """

    def __init__(self, file: str, cause: str) -> None:
        super().__init__(f"{file}: {cause}")
        self.file = file
        self.cause = cause

    def __reduce__(self) -> tuple[type[PictureError], tuple[str, str]]:
        return type(self), (self.file, self.cause)


class DataError(KunstkammerError):
    """A collection that cannot be used as it is: nothing in it, one class only, labels for absent files ..."""


class RecipeError(KunstkammerError):
    """A recipe that does not validate: unknown key, wrong type, value out of range."""


class ModelError(KunstkammerError):
    """A model or checkpoint that cannot be opened, or that does not fit what is asked of it."""


class ResourceError(KunstkammerError):
    """The machine cannot give what is needed: a full or read-only disk, no memory, no permission."""


class UnknownNameError(KunstkammerError):
    """A name that no registry knows; the message carries the nearest one."""


def guess(name: str, known: Iterable[str]) -> str:
    """Return ' Did you mean 'x'?' for the known name nearest to `name`, or '' if none is near.

    >>> guess("comic-mnga", ["comic-manga", "deepdoggo"])
    " Did you mean 'comic-manga'?"
    >>> guess("zzz", ["comic-manga"])
    ''
    """
    original = {k.lower(): k for k in known}
    near = difflib.get_close_matches(name.lower(), list(original), n=1, cutoff=0.55)
    return f" Did you mean '{original[near[0]]}'?" if near else ""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """Build the error for a misspelt or missing name: what was asked, the guess, what there is.

    >>> str(unknown_name("recipe", "comic-mnga", ["comic-manga"]))
    "There is no recipe 'comic-mnga'. Did you mean 'comic-manga'? Known: comic-manga."
    """
    known = sorted(known)
    return UnknownNameError(f"There is no {kind} '{name}'.{guess(name, known)} Known: {', '.join(known) or 'none'}.")
