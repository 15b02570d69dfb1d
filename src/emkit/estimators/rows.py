"""Estimators of independent rows: each row has a hidden label of its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from emkit.core.block import Source
from emkit.core.checks import count
from emkit.core.columns import Columns
from emkit.core.errors import DataError, ParameterError
from emkit.core.model import EStep, Infer, Inference
from emkit.data.chunks import is_dask
from emkit.data.filling import filled_in
from emkit.data.labels import read_labels
from emkit.data.rows import ArraySource
from emkit.data.stream import is_stream
from emkit.data.tables import read_table
from emkit.data.tensors import as_given, is_tensor
from emkit.data.validate import check_weights
from emkit.estimators.elsewhere import elsewhere, on_device
from emkit.estimators.face import Face
from emkit.estimators.imputing import drawn_with_labels, guessed
from emkit.estimators.partitions import by_partition, of_each_partition, write_partitions
from emkit.estimators.plotting import PlottedRows
from emkit.estimators.settings import make_rng
from emkit.estimators.streaming import read_stream
from emkit.estimators.written import predict_to
from emkit.selection.criteria import bic_price, uncertainty


@dataclass(kw_only=True, eq=False, repr=False)
class RowFace(PlottedRows, Face):
    """Base of estimators of rows.

    You implement ``build`` and your own settings; you get the methods below, and those of ``Face``.
    """

    fits_elsewhere: ClassVar[bool] = False
    """Whether a fit asks of its rows only what a ``Source`` has, so that they may stay where they are, such as on a cluster."""

    fits_on_device: ClassVar[bool] = False
    """Whether rows of a torch tensor may stay on its device, if the model says ``on_arrays``: columns are not told apart."""

    def _source(self, X: Any, sample_weight: Any = None, *, like: Columns | None = None, min_rows: int = 1) -> Any:
        """Validated rows. Without ``like`` every column must have an observed cell; in new rows it is merely missing."""
        if is_stream(X):
            return read_stream(self, X, sample_weight, like, min_rows)
        unseen = self.get_params(deep=False).get("unseen", "error")
        table = read_table(X, like=like, unseen=unseen, min_rows=min_rows, every_column=like is None)
        return ArraySource(table.x, check_weights(sample_weight, len(table.x)), table.columns, checked=True)

    def _told_apart(self, source: Any) -> Any:
        """The rows of a fit with kinds of columns told apart, where that matters to the model."""
        return source

    def _new(self, X: Any, sample_weight: Any = None) -> Any:
        """New rows, compared with the columns of the fit."""
        self._current()
        source = self._source(X, sample_weight, like=self.columns_)
        self._check_columns(source.columns)
        return source

    def _new_there(self, X: Any, sample_weight: Any = None) -> Any:
        """As ``_new``, but rows of a tensor stay on its device where the model can look at them there."""
        if is_tensor(X):
            on_arrays = self.fits_on_device and self._current().model.on_arrays
            X, sample_weight, there = on_device(X, sample_weight, self.executor, on_arrays)
            if there is not None:
                self._check_columns(there.columns)
                return there
        return self._new(X, sample_weight)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, *, labels: Any = None) -> Self:
        """Fit to rows ``X`` (n, d): an array or a data frame, NaN or null where a cell is missing, or data that stay in files.

        Parameters
        ----------
        X : array, data frame, tensor, path or stream
            A path, folder or pattern of files, a pyarrow dataset, a polars LazyFrame and a large memory-mapped array are read
            block by block in each pass, never as a whole: see ``emkit.stream``. So is any Source. A torch tensor stays on its
            device where the model can be fitted there: see ``emkit.TorchExecutor``.
        y : ignored
        sample_weight : array (n,) or str, optional
            Nonnegative; weight 2 means the row twice. Beside a path: the name of the column that holds the weights.
        labels : array, optional
            What is known of the components: (n,) their numbers, -1 or NaN where unknown; or (n, K), booleans for possible
            components, or nonnegative numbers proportional to how probable the evidence is under each.
        """
        return self._fit(*self._for_fit(X, sample_weight, labels=labels))

    def _for_fit(self, X: Any, sample_weight: Any = None, *, labels: Any = None) -> tuple[Any, Any]:
        """Validated rows with what is known of them, and the width of the data."""
        X, sample_weight, there = elsewhere(X, sample_weight, self, labels is None and self.fits_elsewhere)
        if there is not None:
            return self._told_apart(there), there.dtype.type
        source = self._source(X, sample_weight, min_rows=2)
        if labels is not None:
            if is_stream(X):
                raise ParameterError("labels beside a stream: give the rows as an array or a data frame", parameter="labels")
            k = self.build(source.columns).n_hidden or 1
            known = read_labels(labels, source.n_rows, k)
            source = ArraySource(source.x, source.weights, source.columns, labels=known, checked=True)
        return source, source.width

    def _again(self, X: Any, sample_weight: Any = None, labels: Any = None) -> ArraySource:
        """The data of the fit, read again."""
        source = self._new(X, sample_weight)
        if labels is None:
            return source
        known = read_labels(labels, source.n_rows, self._current().model.n_hidden or 1)
        return ArraySource(source.x, source.weights, source.columns, labels=known, checked=True)

    def fit_rows(self, X: Any, weights: Any, labels: Any) -> Self:
        """``fit`` with weights and known labels, whatever the model calls them."""
        return self.fit(X, sample_weight=weights, labels=labels)

    def check_cells(self, X: Any) -> None:
        """Raise DataError for the first cell that the model cannot describe."""
        if is_dask(X):
            of_each_partition(self, X, _check_source)
        else:
            _check_source(self, self._new(X))

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> np.ndarray:
        """``fit``, then the most probable component of each row of ``X``."""
        return self.fit(X, y, sample_weight).predict(X)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Responsibilities, (n, K): the probability of each component given the row's observed cells.

        Of a tensor a tensor on its device, of a Dask collection a lazy dask array with its partitions; so do ``predict`` and
        ``score_samples`` answer.
        """
        if is_dask(X):
            return by_partition(self, "predict_proba", X, None, self._current().model.n_hidden or 1)
        source = self._new_there(X)
        found = self._infer(source, "marginals").marginals
        assert found is not None
        return as_given(X, found.astype(source.width, copy=False))

    def predict(self, X: Any) -> np.ndarray:
        """Most probable component of each row, (n,)."""
        if is_dask(X):
            return by_partition(self, "predict", X, np.int64)
        found = self._infer(self._new_there(X), "mode").mode
        assert found is not None
        return as_given(X, self._named(found))

    def _named(self, labels: np.ndarray) -> np.ndarray:
        """Labels as ``predict`` gives them."""
        return labels

    def score_samples(self, X: Any) -> np.ndarray:
        """Log-likelihood of each row's observed cells, (n,), nats."""
        if is_dask(X):
            return by_partition(self, "score_samples", X, None)
        source = self._new_there(X)
        return as_given(X, self._infer(source, "log_likelihood").log_likelihood.astype(source.width, copy=False))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Weighted mean log-likelihood of the rows; on the training data exactly what the fit reported."""
        log_likelihood, total_weight = self._likelihood(X, sample_weight)
        return log_likelihood / total_weight

    def _likelihood(self, X: Any, sample_weight: Any = None) -> tuple[float, float]:
        """Weighted log-likelihood of rows, and their weight."""
        if is_dask(X):
            each = of_each_partition(self, X, _likelihood_of_source, sample_weight)
            return sum(value for value, _ in each), sum(weight for _, weight in each)
        return _likelihood_of_source(self, self._new_there(X, sample_weight))

    def _log_likelihood(self, source: Source) -> float:
        current = self._current()
        return float(self._executor_near(source).map_reduce(EStep(current.model, current.params), source.distinct())[1])

    def impute(self, X: Any, n_draws: int | None = None) -> Any:
        """The rows with their missing cells filled in.

        Parameters
        ----------
        X : array or data frame
        n_draws : int, optional
            None: each missing cell gets its best guess given the row's observed cells: a number its expected value, a category,
            and 0 or 1, the most probable one. A number m: m tables, their missing cells drawn from the distribution given the
            row's observed cells, with ``random_state``: multiple imputation, which keeps the spread that guesses lack.

        Returns
        -------
        array or data frame, or list of m of them
            Of the kind that ``X`` is, with the same columns. Observed cells are as they were; a row with nothing observed is
            imputed from the weights.

        Raises
        ------
        DataError
            Naming a cell that the model cannot describe, or a row that no component can produce.

        References
        ----------
        Little and Rubin (2002), Statistical Analysis with Missing Data, chapters 4 and 10. The draws are at the fitted parameters:
        how uncertain these are is not in them.
        """
        draws = None if n_draws is None else count(n_draws, "n_draws")
        if is_stream(X):
            raise DataError("impute gives back the rows in memory: give it an array or a data frame, some rows at a time")
        source = self._new(X)
        place = self._place_of_columns(X, source.columns)
        holes, columns = self._holes(source)[:, place], source.columns.some(place)
        tables = [filled_in(X, x[:, place], holes, columns) for x in self._imputed(source, draws)]
        return tables[0] if draws is None else tables

    def _place_of_columns(self, X: Any, columns: Columns) -> list[int]:
        """Which of the model's columns those of ``X`` are, in their order."""
        return list(range(len(columns)))

    def _holes(self, source: ArraySource) -> np.ndarray:
        """Which cells of rows are to be filled in, (n, d)."""
        return np.isnan(source.x)

    def _imputed(self, source: ArraySource, draws: int | None) -> Iterator[np.ndarray]:
        """The rows with best guesses in their missing cells, or so many times with draws: float64, (n, d)."""
        current = self._current()
        current.model.check(source)
        rows = np.flatnonzero(np.isnan(source.x).any(axis=1))
        some = ArraySource(source.x[rows], columns=source.columns, checked=True)
        found = self._infer(some, "marginals") if len(rows) else Inference(np.zeros(0), np.zeros((0, 1)))
        if (found.log_likelihood == -np.inf).any():
            row = int(rows[np.flatnonzero(found.log_likelihood == -np.inf)[0]])
            raise DataError(
                f"row {row} has observed cells that no component can produce, so nothing follows for the others", row=row
            )
        assert found.marginals is not None
        given, rng = (current.model, current.params, some.x), make_rng(self.random_state)
        for _ in range(1 if draws is None else draws):
            out = source.x.astype(np.float64)
            if len(rows):
                new = guessed(*given, found.marginals) if draws is None else drawn_with_labels(*given, found.marginals, rng)
                out[rows] = new
            yield out

    def table(self, X: Any) -> dict[str, np.ndarray]:
        """Columns that a prediction adds: ``label``, the most probable component, and the responsibilities ``p0``, ``p1``, ..."""
        return self._added(self.predict_proba(X))

    def _added(self, responsibilities: np.ndarray) -> dict[str, np.ndarray]:
        """The columns of ``table`` from responsibilities (n, K)."""
        return {"label": responsibilities.argmax(axis=1)} | {f"p{k}": p for k, p in enumerate(responsibilities.T)}

    def predict_to(self, X: Any, out: Any, *, prefix: str = "", on_error: str = "stop") -> int:
        """Write the rows with what ``table`` adds to them, as Parquet files in a folder, whatever the size of the data.

        Parameters
        ----------
        X : path, dataset, LazyFrame, memory-mapped array, stream or Dask collection
            As for ``fit``. All its columns are written, those that the model does not know too. A partition of a collection is
            written by whoever computes it, to a path that has to mean the same there.
        out : path
            The folder, made if it is not there. Each part of the data becomes a file there, called as the file it is of;
            partitions become part-00000.parquet, part-00001.parquet, ...
        prefix : str
            Put before the names of the added columns.
        on_error : {"stop", "skip"}
            What to do about a file or row group that cannot be read: raise, or leave it out, count its rows and warn. A stream
            that skips does so here, too.

        Returns
        -------
        int
            Rows written.

        Raises
        ------
        DataError, ParameterError
            Naming the file and row of what the model cannot describe; for a name that the data have already.
        """
        self._current()
        return write_partitions(self, X, out, prefix) if is_dask(X) else predict_to(self, X, out, prefix, on_error)

    def sample(self, n_samples: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Random rows (n_samples, d) and the component each came from; drawn with ``random_state``.

        Counts and symbols are integers.
        """
        current = self._current()
        block = current.model.simulate(current.params, count(n_samples, "n_samples"), make_rng(self.random_state))
        assert block is not None
        return self._emitted(block.x), np.asarray(block.labels)

    def bic(self, X: Any = None) -> float:
        """-2 log-likelihood + parameters * ln(rows): lower is better. Without ``X``, of the fit."""
        log_likelihood, n = self._likelihood_of(X)
        return self._criterion(bic_price(n), log_likelihood)

    def aic(self, X: Any = None) -> float:
        """-2 log-likelihood + 2 parameters: lower is better. Without ``X``, of the fit."""
        return self._criterion(2.0, self._likelihood_of(X)[0])

    def icl(self, X: Any) -> float:
        """BIC - 2 sum log max_k responsibility (Biernacki, Celeux and Govaert 2000): BIC plus a price for overlap.

        Lower is better.
        """
        if self._current().model.n_hidden is None:
            raise ParameterError("ICL is of models whose rows have a hidden label each; take bic", parameter="icl")
        if is_dask(X):
            log_likelihood, n = self._likelihood(X)
            return self._criterion(bic_price(n), log_likelihood) + sum(of_each_partition(self, X, _uncertainty_of_source))
        source = self._new(X)
        bic = self._criterion(bic_price(source.total_weight), self._log_likelihood(source))
        if not source.in_memory:
            current = self._current()
            each = self._executor().map(Infer(current.model, current.params, "marginals"), source)
            return bic + sum(uncertainty(found.marginals) for found in each)
        return bic + _uncertainty_of_source(self, source)

    def _likelihood_of(self, X: Any) -> tuple[float, float]:
        if X is None:
            return self._of_the_fit()
        return self._likelihood(X)


def _likelihood_of_source(face: RowFace, source: Any) -> tuple[float, float]:
    return face._log_likelihood(source), source.total_weight


def _uncertainty_of_source(face: RowFace, source: Any) -> float:
    return uncertainty(face._infer(source, "marginals").marginals)


def _check_source(face: RowFace, source: Any) -> bool:
    face._current().model.check(source)
    return True
