"""Tables of results as data frames of the kind that the user works with."""

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals.stable.v1 as nw


def frame_like(X: Any, columns: Mapping[str, Sequence[Any]]) -> Any:
    """A data frame of these columns, of the library that ``X`` is from; of pandas where it is from none.

    Raises
    ------
    ImportError
        If that would be pandas, and it is not installed.
    """
    found = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(found, nw.DataFrame):
        return nw.from_dict(dict(columns), native_namespace=nw.get_native_namespace(found)).to_native()
    return pandas("a data frame needs pandas (pip install pandas), or a table of polars or pyarrow as X; see table").DataFrame(
        dict(columns)
    )


def pandas(otherwise: str = "a data frame needs pandas (pip install pandas)") -> Any:
    """The library, which is not among emkit's own. Raises ImportError, with the words ``otherwise``, where it is not installed."""
    try:
        import pandas as found
    except ImportError as error:
        raise ImportError(otherwise) from error
    return found
