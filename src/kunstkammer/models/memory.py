"""How the process keeps memory that a network frees and asks for again a moment later."""

from __future__ import annotations

import ctypes
import functools
import sys

# From glibc's malloc.h; both take an int.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_MMAP_THRESHOLD = 32 << 20
_KEPT = 2**31 - 1


@functools.cache
def keep_freed_memory() -> bool:
    """Let glibc keep up to 2 GiB of freed memory instead of handing it back to the system after every step.

    Every step of a network on the processor frees its activations and gradients and asks for the same again. By default
    glibc returns large blocks to the system at once, which then has to clear every page anew: here that cost a fifth to
    two fifths of the training speed. The setting holds for the process and is made once. Returns whether it was made;
    other C libraries and systems are left alone.
    """
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version") or not hasattr(library, "mallopt"):
        return False
    return bool(library.mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)) and bool(
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT)
    )
