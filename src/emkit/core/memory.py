"""Memory that allocators keep after it was used: given back where much more was needed for a while than is needed next."""

import ctypes
import sys
from functools import cache
from typing import Any


def let_go() -> None:
    """Free memory that the C library and arrow hold for later goes back to the system, where they can be asked.

    They keep what a pass has used, tens of megabytes in each thread, and little of it fits what comes next: first guesses on a
    sample need other arrays than a pass over all the rows. It takes a few milliseconds, so it is asked for between such phases.
    """
    arrow = sys.modules.get("pyarrow")  # where it has not been imported, it holds nothing
    if arrow is not None:
        arrow.default_memory_pool().release_unused()
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Any:
    """``malloc_trim`` of glibc; None on other systems."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None
    trim.argtypes = (ctypes.c_size_t,)
    return trim
