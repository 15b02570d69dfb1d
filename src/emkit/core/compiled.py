"""When compiled code is worth loading (0.5 s once a process) or compiling (5 s once a machine): one policy, for all kernels."""

from collections.abc import Iterator
from contextlib import contextmanager

_WORTH = 5e6  # estimated nanoseconds of the NumPy twin for one pass over the data
_always: bool | None = None


def worth_compiling(nanoseconds: float) -> bool:
    """Whether a pass that takes the NumPy twin so long should be compiled.

    The estimate is a function of the data's shape alone, never of the machine: results do not depend on where they were computed.
    """
    return nanoseconds >= _WORTH if _always is None else _always


@contextmanager
def compiling(always: bool | None) -> Iterator[None]:
    """Until the end of the block every kernel is used (True), none (False), or those that are worth it (None): for tests."""
    global _always
    before, _always = _always, always
    try:
        yield
    finally:
        _always = before
