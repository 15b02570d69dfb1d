"""What an estimator says of a Dask collection: of each partition where that is computed, lazily where the answer is as large.

Only the fitted model travels. What comes back has the partitions of the collection.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from functools import wraps
from operator import methodcaller
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from emkit.core.columns import Columns
from emkit.core.errors import DataError, ParameterError
from emkit.core.result import Result
from emkit.data.chunks import is_dask
from emkit.data.stream import stream
from emkit.estimators.streaming import unseen
from emkit.estimators.written import folder_of, rows_writer

Method = TypeVar("Method", bound=Callable[..., Any])
_NOT_SENT = {"monitors": None, "checkpoint": None, "executor": None, "n_jobs": 1, "verbose": 0}


def by_partition(face: Any, method: str, X: Any, dtype: Any, width: int | None = None) -> Any:
    """A lazy dask array of what ``face.method`` says of each partition.

    Parameters
    ----------
    face : RowFace
    method : str
        Of rows in memory.
    X : dask array (n, d) or data frame
    dtype : of the answers; None: of floating-point numbers as wide as those of ``X``
    width : int, optional
        How many numbers there are for each row; None: one, and the answer is (n,).
    """
    X, columns = _checked(face, X)
    return _mapped(_answering(face, columns), method, X, _width(X) if dtype is None else dtype, width)


def answers_lazily(
    dtype: Callable[[Any], Any] | None = None, width: Callable[[Any], int | None] | None = None
) -> Callable[[Method], Method]:
    """Decorator of a method of rows, of an estimator that predicts: of a Dask collection it gives a lazy dask array.

    Parameters
    ----------
    dtype, width : callable, optional
        From the fitted estimator to what ``by_partition`` takes; default: float64, and one number for each row.
    """

    def decorated(method: Method) -> Method:
        name = method.__name__

        @wraps(method)
        def answer(self: Any, X: Any, *more: Any, **named: Any) -> Any:
            if not is_dask(X):
                return method(self, X, *more, **named)
            if more or any(value is not None and value is not False for value in named.values()):
                raise ParameterError(
                    f"of a Dask collection {name} takes nothing beside X; take one partition at a time: X.map_partitions(...)"
                )
            own = _predicting(self, X)
            kind, many = np.float64 if dtype is None else dtype(self), None if width is None else width(self)
            return _mapped(own, name, _in_whole_rows(X), kind, many)

        return cast(Method, answer)

    return decorated


def _mapped(face: Any, method: str, X: Any, dtype: Any, width: int | None) -> Any:
    more = () if width is None else (width,)
    task, meta = _Answer(face, method, more, dtype), np.empty((0, *more), dtype)
    if hasattr(X, "columns"):
        return X.map_partitions(task, meta=meta)
    dropped = {"drop_axis": 1} if width is None else {}
    return X.map_blocks(task, dtype=dtype, chunks=(X.chunks[0], *((n,) for n in more)), meta=meta, **dropped)


def of_each_partition(face: Any, X: Any, what: Callable[[Any, Any], Any], sample_weight: Any = None) -> list[Any]:
    """``what(face, source)`` of each partition that has rows of some weight, computed now; small things, in order.

    Raises
    ------
    DataError
        Naming partition, column and row of a cell that cannot be used; if there are no rows.
    """
    from dask import delayed

    from emkit.execute.dask_source import weights_of

    X, columns = _checked(face, X)
    pieces = _pieces(X)
    each = delayed(_Read(_answering(face, columns), what), pure=False)
    weights = weights_of(sample_weight, len(pieces))
    tasks = [each(rows, w, i) for i, (rows, w) in enumerate(zip(pieces, weights, strict=True))]
    found = [one for one in _computed(face, tasks) if one is not None]
    if not found:
        raise DataError("found 0 row(s) of positive weight")
    return found


def write_partitions(face: Any, X: Any, out: Any, prefix: str) -> int:
    """See ``RowFace.predict_to``: each partition becomes a file, written by whoever computes it."""
    from dask import delayed

    X, columns = _checked(face, X, more=True)
    write = delayed(_WriteOne(_answering(face, columns), folder_of(out).resolve(), prefix), pure=False)
    return sum(_computed(face, [write(rows, i) for i, rows in enumerate(_pieces(X))]))


def _computed(face: Any, tasks: list[Any]) -> list[Any]:
    """On the cluster of the estimator's executor, if it is of Dask, or else where Dask computes things."""
    import dask

    from emkit.execute.dask import DaskExecutor

    if isinstance(face.executor, DaskExecutor):
        client = face.executor.client
        return list(client.gather(client.compute(tasks)))
    return list(dask.compute(*tasks))


def _checked(face: Any, X: Any, more: bool = False) -> tuple[Any, Columns]:
    """The collection in partitions of whole rows, and the columns of the fit, with names if it has some. Raises DataError.

    ``more``: whether a data frame may have columns that the model does not know.
    """
    _refuse_vector(X)
    if not hasattr(X, "columns"):
        face._check_columns(Columns.numbered(X.shape[1]))
        return _in_whole_rows(X), Columns(face.columns_.items, named=False)
    known = set(face.columns_.names) if more and face.columns_.named else set(X.columns)
    face._check_columns(Columns.of_names(name for name in X.columns if name in known))
    own = face.columns_
    return X, own if own.named else Columns(tuple(replace(c, name=str(name)) for c, name in zip(own.items, X.columns, strict=True)))


def _refuse_vector(X: Any) -> None:
    """Raise DataError for what has no columns."""
    if getattr(X, "ndim", 0) != 2:
        raise DataError(f"a dask {type(X).__name__} is no table: give an array (n, d), or a data frame")


def _in_whole_rows(X: Any) -> Any:
    """The collection without cuts between columns."""
    return X if hasattr(X, "columns") or X.numblocks[1] == 1 else X.rechunk({1: -1})


def _pieces(X: Any) -> list[Any]:
    return list(np.asarray(X.to_delayed(), dtype=object).ravel())


def _width(X: Any) -> Any:
    kinds = X.dtypes if hasattr(X, "columns") else [X.dtype]
    return np.float32 if all(kind == np.float32 for kind in kinds) else np.float64


def _answering(face: Any, columns: Columns) -> Any:
    """The estimator with its settings and parameters, and nothing else."""
    settings = face.get_params(deep=False)
    current = face._current()
    found = type(face)(**{**settings, **{name: value for name, value in _NOT_SENT.items() if name in settings}})
    found._adopt(Result.by_hand(current.model, current.params), columns, face.__dict__.get("_width", np.float64))
    return found


def _predicting(face: Any, X: Any) -> Any:
    """An estimator that predicts, without what is of no use elsewhere; inputs have names if those of ``X`` have some."""
    fitted = face._current() if face.has_result else face._fitted()
    _refuse_vector(X)
    found, items = copy(face), list(face.columns_.items)
    for name in _NOT_SENT.keys() & face.get_params(deep=False).keys():
        found.__dict__[name] = _NOT_SENT[name]
    if hasattr(X, "columns") and not face.columns_.named:
        items[: len(X.columns)] = [replace(item, name=str(name)) for item, name in zip(items, X.columns, strict=False)]
    columns = Columns(tuple(items), hasattr(X, "columns"))
    if face.has_result:
        found._adopt(Result.by_hand(fitted.model, fitted.params), columns, np.float64)
    else:
        found._take_on(fitted, columns)
    return found


@contextmanager
def _in_partition(number: int) -> Iterator[None]:
    """Errors name the partition. Raises DataError."""
    try:
        yield
    except DataError as error:
        if type(error) is not DataError:
            raise
        raise DataError(f"partition {number}: {error}", column=error.column, row=error.row, parameter=error.parameter) from None


def _number(block_id: Any, partition_info: Any) -> int:
    """Of a partition, as Dask tells it."""
    return int(block_id[0]) if block_id is not None else int(partition_info["number"]) if partition_info else 0


@dataclass(frozen=True)
class _Answer:
    """What a method says of the rows of a partition."""

    face: Any
    method: str
    more: tuple[int, ...]
    dtype: Any

    @property
    def __name__(self) -> str:
        """How Dask calls what it makes."""
        return self.method

    def __call__(self, rows: Any, block_id: Any = None, partition_info: Any = None) -> np.ndarray:
        if not len(rows):
            return np.empty((0, *self.more), self.dtype)
        with _in_partition(_number(block_id, partition_info)):
            return np.asarray(methodcaller(self.method, rows)(self.face)).astype(self.dtype, copy=False)


@dataclass(frozen=True)
class _Read:
    """What a function says of a partition as a source; None where no row has a weight."""

    face: Any
    what: Callable[[Any, Any], Any]

    def __call__(self, rows: Any, weights: Any, number: int) -> Any:
        w = None if weights is None else np.asarray(weights, dtype=np.float64)
        if not len(rows) or (w is not None and len(w) == len(rows) and not w.any()):
            return None
        with _in_partition(number):
            return self.what(self.face, self.face._new(rows, w))


@dataclass(frozen=True)
class _WriteOne:
    """Writes a partition to a file of its own."""

    face: Any
    folder: Path
    prefix: str

    def __call__(self, rows: Any, number: int) -> int:
        if not len(rows):
            return 0
        columns = self.face.columns_
        source = stream(lambda: iter((rows,)), columns=columns, unseen=unseen(self.face))
        with _in_partition(number):
            written, _ = rows_writer(self.face, source, self.prefix)((source.pieces[0], self.folder / f"part-{number:05d}.parquet"))
        return written
