"""``partial_fit``: estimators that learn from rows, or sequences, as they arrive."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from emkit.algorithms.arriving import Arriving, bare
from emkit.algorithms.online import ROWS_EACH
from emkit.algorithms.starts import fit
from emkit.core.block import Block
from emkit.core.block_source import BlockSource
from emkit.core.checks import number
from emkit.core.describe import snapshot
from emkit.core.errors import DataError, ParameterError
from emkit.core.result import Result, StopReason
from emkit.core.warn import warn
from emkit.data.labels import read_labels
from emkit.data.names import check_columns
from emkit.data.rows import ArraySource
from emkit.data.sequence_input import Sequences
from emkit.data.stream import is_stream
from emkit.estimators.sequence_streaming import is_sequence_stream
from emkit.estimators.settings import make_rng


class PartialFit:
    """What estimators of rows and of sequences have in common. A mixin of a Face, which it comes before."""

    def _learn(self: Any, source: BlockSource, forget: Any) -> Any:
        """Rows like those of the first call; what they changed is the new result."""
        if forget is not None:
            number(forget, "forget", "a number of rows")
            if not forget > 0:
                raise ParameterError(f"forget={forget!r}: give rows after which what was learnt counts half", parameter="forget")
        if not source.total_weight > 0:
            return self
        arriving = self._arriving()
        arriving.model.check(source)
        j = arriving.strange(source)
        if j is not None and forget is None and not self.__dict__.get("_told_of_order"):
            self._told_of_order = True
            warn(
                f"the rows of this call are far from those before in {source.columns.called(j)}. If rows come in the order of "
                "something, shuffle them; if the source drifts, say forget=, the rows after which what was learnt counts half"
            )
        return self._arrived(arriving.after(source, forget), source.columns)

    def _arriving(self: Any) -> Arriving:
        """Where the stream is: as the last call left it, or after a fit; parameters set by hand since count."""
        current, known = self._current(), self.__dict__.get("_partial")
        if self._searches() or not self._unchanged(snapshot((self.build(self.columns_), self.columns_))):
            raise ParameterError("settings that shape the model were changed since the rows before; call fit, or begin anew")
        if known is None or self.result_ is not known[0]:
            if self.result_.stats is None:
                raise ParameterError(
                    "this fit has no statistics to go on from: it ended in an earlier process, or was loaded from a file of a fit; "
                    "only files of models that have learnt by partial_fit keep them. Fit it again, or begin anew with "
                    "partial_fit"
                )
            known = self.result_, Arriving.after_fit(self.result_, self.__dict__.get("_summary"))
        arriving: Arriving = known[1]
        if current.reason is StopReason.SET_BY_HAND:
            return replace(arriving, params=current.params)
        return arriving

    def _arrays_to_go_on(self: Any) -> dict[str, np.ndarray]:
        known = self.__dict__.get("_partial")
        return dict(known[1].arrays()) if known is not None and self.__dict__.get("result_") is known[0] else {}

    def _go_on_from(self: Any, arrays: Mapping[str, np.ndarray]) -> None:
        if arrays:
            self._partial = self.result_, Arriving.of(self.result_.model, self.result_.params, arrays)

    def _begin(self: Any, source: BlockSource, width: Any) -> Any:
        """The first rows are fitted as ``fit`` does it, by EM."""
        if self._searches():
            name = self.size_setting
            raise ParameterError(f"{name}='auto': the number has to be given for partial_fit; select finds one", parameter=name)
        job = self._prepare(source, width, source)
        result = fit(
            job.model, source, executor=self._executor(), starts=job.starts, tol=self.tol, max_iter=self.max_iter,
            monitors=self._monitors(), rng=make_rng(self.random_state), before=job.before,
        )  # fmt: skip
        self._take_on(job, result)
        self.__dict__.pop("_told_of_order", None)
        return self._arrived(Arriving.after_fit(self.result_, self._summary), source.columns)

    def _arrived(self: Any, arriving: Arriving, columns: Any) -> Any:
        result = arriving.result(self.tol)
        width, asked = self._width, self._asked
        self._adopt(result, self._columns or columns, width)
        self._asked, self._partial = asked, (result, arriving)
        return self

    def _is_begun(self: Any) -> bool:
        return "result_" in self.__dict__

    def _needed(self: Any, columns: int) -> int:
        """Rows to begin with: twenty for each component, or twice as many as there are columns."""
        return int(max(ROWS_EACH, 2 * columns) * self._size())

    def _same_columns(self: Any, columns: int) -> None:
        """Compare with the rows that wait, if there are any."""
        if "_waiting" in self.__dict__:
            check_columns(None, columns, None, self.n_features_in_, self._name())

    def _wait(self: Any, rows: int, needed: int, columns: int) -> Any:
        self.n_features_in_ = columns
        warn(f"partial_fit begins with {needed} rows; there are {rows} so far, which are kept until then")
        return self

    def _of_the_fit(self: Any) -> tuple[float, float]:
        if self._current().reason is StopReason.STREAM:
            raise ParameterError("the rows of a stream are gone, so nobody knows their likelihood now; give data: X")
        found: tuple[float, float] = super()._of_the_fit()  # type: ignore[misc]
        return found

    def _take_on(self: Any, job: Any, result: Result) -> Any:
        super()._take_on(job, result)  # type: ignore[misc]
        self.__dict__.pop("_partial", None)
        self._summary = bare(job.source.summary)
        return self


class PartialRows(PartialFit):
    """``partial_fit`` of rows."""

    def partial_fit(
        self: Any, X: Any, y: Any = None, sample_weight: Any = None, *, labels: Any = None, forget: float | None = None
    ) -> Any:
        """Learn from further rows; those of earlier calls need not be there any more.

        The first rows, at least 20 for each component (fewer are kept until there are enough), are fitted as by ``fit``. From then
        on each thousand of rows changes the expected statistics a little, by falling gains, and the parameters follow; after each
        call they are those of an average over time. The prior counts once, however many calls there are. After ``fit``, the stream
        goes on from its rows. Predictions work between calls.

        Parameters
        ----------
        X : array, data frame, path or stream
            Rows (m, d), with the columns of the first call. They should come in no particular order.
        y : ignored
        sample_weight : array (m,), optional
        labels : array, optional
            What is known of the components, as in ``fit``.
        forget : float, optional
            For a source that drifts: rows after which what was learnt counts half. Default: nothing is forgotten.

        Raises
        ------
        DataError, ParameterError
            Naming the column, row or parameter: also for columns that differ, and settings that were changed since.

        References
        ----------
        Cappe and Moulines (2009), JRSS B 71, 593-613. The average over time: Shamir and Zhang (2013), ICML.
        """
        if self._is_begun():
            self.__dict__.pop("_waiting", None)
            source = self._new(X, sample_weight)
            if labels is not None:
                if is_stream(X):
                    raise ParameterError("labels beside a stream: give the rows as an array or a data frame", parameter="labels")
                known = read_labels(labels, source.n_rows, source_labels(self))
                source = ArraySource(source.x, source.weights, source.columns, labels=known, checked=True)
            return self._learn(source, forget)
        if is_stream(X):
            return self._begin(*self._stream_to_begin(X, sample_weight, labels))
        waiting = [*self.__dict__.get("_waiting", []), (X, sample_weight, labels)]
        rows, columns = sum(len(x) for x, _, _ in waiting), _width(X)
        self._same_columns(columns)
        if rows < self._needed(columns):
            self._source(X, sample_weight, min_rows=1)
            self.__dict__["_waiting"] = waiting
            return self._wait(rows, self._needed(columns), columns)
        x, weights, known = (_stacked([one[i] for one in waiting]) for i in range(3))
        self._begin(*self._for_fit(x, weights, labels=known))
        self.__dict__.pop("_waiting", None)
        return self

    def _stream_to_begin(self: Any, X: Any, sample_weight: Any, labels: Any) -> tuple[Any, Any]:
        """The rows of a stream, where a first call brings one."""
        kept = sum(len(x) for x, _, _ in self.__dict__.get("_waiting", []))
        if kept:
            raise DataError(
                f"{kept} row(s) of earlier calls wait for more, and a stream cannot be added to them; give further rows as arrays "
                "or data frames until there are enough to begin with"
            )
        source, width = self._for_fit(X, sample_weight, labels=labels)
        needed = self._needed(len(source.columns))
        if source.n_rows < needed:
            raise DataError(f"partial_fit begins with {needed} rows; this stream has {source.n_rows}: give more, or use fit")
        return source, width


class PartialSequences(PartialFit):
    """``partial_fit`` of whole sequences."""

    def partial_fit(
        self: Any,
        X: Any,
        y: Any = None,
        *,
        lengths: Any = None,
        sample_weight: Any = None,
        states: Any = None,
        forget: float | None = None,
    ) -> Any:
        """Learn from further sequences; those of earlier calls need not be there any more.

        As in estimators of rows: see ``GaussianMixture.partial_fit``. Sequences are never cut, and each call brings whole ones.

        Parameters
        ----------
        X, y, lengths, sample_weight, states
            As in ``fit``.
        forget : float, optional
            Steps after which what was learnt counts half.

        Raises
        ------
        DataError, ParameterError
            As ``fit``; also for columns that differ, and settings that were changed since.
        """
        if is_sequence_stream(X):
            raise DataError(
                "partial_fit of sequences needs them in memory: give some at a time, as arrays or data frames; fit takes streams"
            )
        if self._is_begun():
            found = self._new(X, lengths)
            return self._learn(self._source(found, sample_weight, states), forget)
        waiting: list[Block] = self.__dict__.get("_waiting", [])
        self._same_columns(len(self._read(X, lengths).columns))
        found = self._read(X, lengths, like=self.__dict__.get("_waiting_columns"))
        source = self._source(found, sample_weight, states)
        blocks = [*waiting, _weighted(source.joined())]
        rows, columns = sum(block.n for block in blocks), len(found.columns)
        if rows < self._needed(columns):
            self.__dict__["_waiting"], self.__dict__["_waiting_columns"] = blocks, found.columns
            return self._wait(rows, self._needed(columns), columns)
        if waiting:
            source = source._of(Block.join(blocks))
        self._begin(source, _width_of(found))
        self.__dict__.pop("_waiting", None)
        self.__dict__.pop("_waiting_columns", None)
        return self


def source_labels(face: Any) -> int:
    """The number of labels of the current model."""
    return int(face._current().model.n_hidden or 1)


def _weighted(block: Block) -> Block:
    return replace(block, weights=np.ones(block.units)) if block.weights is None else block


def _width(X: Any) -> int:
    shape = getattr(X, "shape", None) or np.shape(X)
    return int(shape[1]) if len(shape) > 1 else 1


def _width_of(found: Sequences) -> Any:
    return found.x.dtype.type


def _stacked(parts: list[Any]) -> Any:
    """Tables, or columns, one after the other; None where none is given. Raises ParameterError where only some are."""
    there = [part for part in parts if part is not None]
    if not there:
        return None
    if len(there) < len(parts):
        raise ParameterError("sample_weight, or labels, of some of the first calls only; give them in all calls")
    if len(there) == 1:
        return there[0]
    if all(isinstance(part, np.ndarray | list | tuple) for part in there):
        return np.concatenate([np.asarray(part) for part in there])
    import narwhals as nw

    return nw.concat([nw.from_native(part, eager_only=True) for part in there]).to_native()


class NoPartialFit:
    """In place of ``partial_fit``, where an estimator cannot learn from a stream: says why, and ``hasattr`` finds nothing.

    Parameters
    ----------
    because : str
        What follows "AutoClass has no partial_fit: ".
    """

    def __init__(self, because: str):
        self.because = because

    def __get__(self, face: Any, kind: type) -> Any:
        raise AttributeError(f"{kind.__name__} has no partial_fit: {self.because}")
