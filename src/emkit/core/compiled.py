"""When compiled code is worth loading (0.5 s once a process) or compiling (5 s once a machine): one policy, for all kernels."""

from collections.abc import Iterator
from contextlib import contextmanager

_LOADING = 4.5e8  # nanoseconds
PASSES = 300  # E-steps that a fit makes, all starts together
_always: bool | None = None


def worth_compiling(plain: float, compiled: float = 0.0, passes: float = PASSES) -> bool:
    """Whether compiled code repays its loading over so many passes, of which one takes ``plain`` nanoseconds without it.

    The estimates are functions of the data's shape alone, never of the machine, nor of what this process has loaded already:
    results do not depend on where or when they were computed, and a log-likelihood that a fit reports is exactly what ``score``
    gives later.
    """
    return (plain - compiled) * passes >= _LOADING if _always is None else _always


@contextmanager
def compiling(always: bool | None) -> Iterator[None]:
    """Until the end of the block every kernel is used (True), none (False), or those that are worth it (None): for tests."""
    global _always
    before, _always = _always, always
    try:
        yield
    finally:
        _always = before
