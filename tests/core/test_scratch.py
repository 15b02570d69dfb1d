"""Working memory that is lent again."""

import threading

import numpy as np
import pytest

from emkit.core import scratch
from emkit.core.scratch import borrow, keep


@pytest.fixture(autouse=True)
def empty():
    """What other tests left is put aside."""
    aside, scratch._free[:] = scratch._free[:], []
    yield
    scratch._free[:] = aside


def address(array: np.ndarray) -> int:
    return array.ctypes.data


def test_lent_again_while_somebody_keeps_it():
    with keep():
        with borrow(100, 3) as first:
            assert first.shape == (100, 3)
            assert first.dtype == np.float64
            assert first.flags.c_contiguous
            place = address(first)
        with keep(), borrow(50, 4) as second:  # smaller will do
            assert address(second) == place
        with borrow(300) as third:
            assert address(third) == place
        with borrow(10) as tiny:  # but not thirty times too large
            assert address(tiny) != place


def test_never_lent_to_two():
    with keep(), borrow(64) as a, borrow(64) as b:
        a[:] = 1.0
        b[:] = 2.0
        assert (a == 1.0).all()


def test_given_back_after_an_error():
    places = []

    def fail() -> None:
        with borrow(64) as room:
            places.append(address(room))
            raise ZeroDivisionError

    with keep():
        with pytest.raises(ZeroDivisionError):
            fail()
        with borrow(64) as room:
            assert [address(room)] == places


def test_large_arrays_are_let_go_at_the_end():
    with keep():
        with borrow(2**20), borrow(2**20 + 1), borrow(2**23):
            pass
        assert {2**20, 2**20 + 1, 2**23} <= {room.size for room in scratch._free}
    assert sum(room.size for room in scratch._free) <= scratch._STAYS
    assert 2**23 not in {room.size for room in scratch._free}


def test_little_is_kept_for_nobody():
    with borrow(64), borrow(scratch._STAYS + 1):
        pass
    assert [room.size for room in scratch._free] == [64]


def test_many_threads():
    wrong = []

    def work(mark: float) -> None:
        for _ in range(300):
            with borrow(256) as room:
                room[:] = mark
                wrong.extend(room[room != mark])

    with keep():
        threads = [threading.Thread(target=work, args=(float(i),)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong
