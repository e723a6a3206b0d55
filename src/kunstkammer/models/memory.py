"""How the process keeps memory that a network frees and asks for again a moment later."""

from __future__ import annotations

import ctypes
import functools
import sys

# From glibc's malloc.h; both take an int.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGEST_MMAP_THRESHOLD = 32 << 20
_KEPT = 2**31 - 1


@functools.cache
def keep_freed_memory(most: int = _KEPT) -> bool:
    """Let glibc keep up to `most` bytes (2 GiB) of freed memory instead of handing it back to the system every time.

    Every step of a network on the processor frees its activations and gradients and asks for the same again. By default
    glibc returns large blocks to the system at once, which then has to clear every page anew: here that cost a fifth to
    two fifths of the training speed. The setting holds for the process and is made once. Returns whether it was made;
    other C libraries and systems are left alone.
    """
    library = _glibc()
    return (
        library is not None
        and bool(library.mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD))
        and bool(library.mallopt(_M_TRIM_THRESHOLD, most))
    )


@functools.cache
def one_arena() -> bool:
    """Let all threads take their memory from one place, for a network that answers in a thread that is not the first.

    Every other thread has an arena of its own, of pieces of at most 64 MiB, which glibc hands back whatever was asked
    of it: a small network at 120 px then takes half as long again. Made once, before such threads are started; returns
    whether it was made.
    """
    library = _glibc()
    return library is not None and bool(library.mallopt(_M_ARENA_MAX, 1))


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") and hasattr(library, "mallopt") else None
