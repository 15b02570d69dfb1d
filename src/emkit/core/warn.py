"""Warnings that point at the user's own line, however deep in emkit they arise."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PACKAGE = str(Path(__file__).parents[1])


def warn(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn with the nearest caller outside of emkit as the place."""
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)


@contextmanager
def quietly() -> Iterator[None]:
    """Without warnings to users: where a hundred models are tried, what there is to say of one stands in a table."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


@contextmanager
def once() -> Iterator[None]:
    """Warnings to users come at the end, each text once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for text, category in dict.fromkeys((str(w.message), w.category) for w in caught):
        warn(text, category)
