"""Large working arrays that one pass over the data needs and the next one needs again.

Fresh memory is handed out page by page, each cleared first, which takes longer than a recursion takes to fill it. So after
``keep()``, which an executor calls for the length of a fit, whatever was borrowed and given back is lent again. At
other times 16 MB at most stay for whoever comes next.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod

import numpy as np

_lock = threading.Lock()
_free: list[np.ndarray] = []
_keepers = 0
_STAYS = 2**21  # numbers


@contextmanager
def keep() -> Iterator[None]:
    """Arrays given back before the end of the block are lent again. Blocks nest; the outermost one lets large ones go."""
    global _keepers
    with _lock:
        _keepers += 1
    try:
        yield
    finally:
        with _lock:
            _keepers -= 1
            if not _keepers:
                _let_go()


def _let_go() -> None:
    """Forget all but what may stay, the smaller arrays first."""
    stay, total = [], 0
    for room in sorted(_free, key=len):
        total += room.size
        if total <= _STAYS:
            stay.append(room)
    _free[:] = stay


@contextmanager
def borrow(*shape: int) -> Iterator[np.ndarray]:
    """A C-contiguous float64 array of this shape, holding anything, until the end of the block."""
    size = prod(shape)
    with _lock:
        fitting = [room for room in _free if size <= room.size <= 2 * size]
        room = min(fitting, key=len, default=None)
        if room is not None:
            _free[:] = [other for other in _free if other is not room]
    if room is None:
        room = np.empty(size)
    try:
        yield room[:size].reshape(shape)
    finally:
        with _lock:
            _free.append(room)
            if not _keepers:
                _let_go()
