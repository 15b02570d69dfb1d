"""How the search of ``AutoClass`` ends: its settings checked, and what is said where it was cut off."""

from typing import Any

import numpy as np

from emkit.core.checks import count, one_of
from emkit.core.errors import ParameterError
from emkit.core.result import StopReason
from emkit.selection.autoclass.search import Found

_TRIES, _AGREE = 5, 3


def search_settings(face: Any) -> dict[str, Any]:
    """What ``search`` is told of an estimator's settings. Raises ParameterError naming the one that makes no sense."""
    face.build(None)
    limit, tries = face.time_limit, face.max_tries
    if limit is not None and not (isinstance(limit, int | float | np.number) and not isinstance(limit, bool) and limit > 0):
        raise ParameterError(f"time_limit={limit!r}: give a positive number of seconds, or None", parameter="time_limit")
    if isinstance(tries, str):
        one_of(tries, ("auto",), "max_tries")
    elif tries is not None:
        count(tries, "max_tries")
    if limit is None and tries is None and not face.monitors:
        raise ParameterError("nothing would end the search: give time_limit or max_tries", parameter="max_tries")
    auto = isinstance(tries, str)
    return {
        "start_classes": _start_classes(face.start_classes),
        "time_limit": limit,
        "max_tries": (_TRIES if limit is None else None) if auto else tries,
        "agree": _AGREE if auto and limit is not None else None,
        "keep": count(face.n_kept, "n_kept"),
    }


def _start_classes(given: Any) -> tuple[int, int]:
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise ParameterError(f"start_classes={given!r}: give two numbers, the fewest and the most", parameter="start_classes")
    low, high = (count(value, "start_classes") for value in given)
    if low > high:
        raise ParameterError(f"start_classes={given!r}: the fewest are more than the most", parameter="start_classes")
    return low, high


def cut_off(found: Found) -> bool:
    """Whether a search ended before it had done what it was asked for. A time limit is what it was asked for, after one try."""
    if found.reason is StopReason.TIME_LIMIT:
        return found.tries == 0
    return found.reason in (StopReason.INTERRUPTED, StopReason.STOPPED)


def cut_off_in_words(found: Found) -> str:
    """How, and what that means for the classes."""
    why = {StopReason.TIME_LIMIT: "by its time limit", StopReason.INTERRUPTED: "by an interrupt"}.get(found.reason, "by a monitor")
    if found.tries == 0:
        return f"the search was ended {why} within its first try: its classes are those of an unfinished try; give it more time"
    return f"the search was ended {why} after {found.tries} tr{'y' if found.tries == 1 else 'ies'}; the best was kept"
