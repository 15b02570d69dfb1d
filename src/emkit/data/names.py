"""Columns of new data beside those of the fit, in scikit-learn's words."""

from collections.abc import Sequence

from emkit.core.errors import DataError
from emkit.core.warn import warn


def check_columns(names: Sequence[str] | None, count: int, fitted: Sequence[str] | None, expected: int, who: str) -> None:
    """Compare the columns of new data with those that ``who`` was fitted to; a warning where only one of the two has names.

    Raises
    ------
    DataError
        If columns are missing, new or in another order, or their number differs.
    """
    if fitted is not None and names is None:
        text = f"X does not have valid feature names, but {who} was fitted with feature names"
        warn(text)
    elif fitted is None and names is not None:
        warn(f"X has feature names, but {who} was fitted without feature names")
    elif fitted is not None and names is not None and list(fitted) != list(names):
        unseen, missing = sorted(set(names) - set(fitted)), sorted(set(fitted) - set(names))
        text = "The feature names should match those that were passed during fit.\n"
        text += _listed("Feature names unseen at fit time:\n", unseen)
        text += _listed("Feature names seen at fit time, yet now missing:\n", missing)
        raise DataError(text if unseen or missing else f"{text}Feature names must be in the same order as they were in fit.\n")
    if count != expected:
        raise DataError(f"X has {count} features, but {who} is expecting {expected} features as input")


def _listed(head: str, names: Sequence[str]) -> str:
    shown = [f"- {name}\n" for name in names[:5]] + (["- ...\n"] if len(names) > 5 else [])
    return head + "".join(shown) if names else ""
