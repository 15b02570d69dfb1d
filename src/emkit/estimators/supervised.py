"""Estimators with a target, a column of the rows that has that role: what they have in common, whatever their models."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from emkit.core.block_source import BlockSource
from emkit.core.columns import Column, Columns
from emkit.core.errors import ParameterError
from emkit.core.result import Result
from emkit.data.rows import ArraySource
from emkit.data.tables import Table, read_table
from emkit.data.validate import check_weights
from emkit.estimators.asked import Predicts
from emkit.estimators.errors import ErrorsWithTarget
from emkit.estimators.face import Face
from emkit.estimators.plotting import PlottedRegression
from emkit.selection.criteria import bic_price

TARGET = "target"


@dataclass(kw_only=True, eq=False, repr=False)
class Supervised(ErrorsWithTarget, Predicts, PlottedRegression, Face):
    """Base of estimators whose model is of rows [inputs, target].

    You implement ``build``, ``_target`` and the predictions; you get fits, criteria, files, and inputs that are read and compared
    with those of the fit.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit to rows.

        Parameters
        ----------
        X : data frame or array of shape (n, d)
            Inputs.
        y : array or column of shape (n,)
            The target, none missing.
        sample_weight : array of shape (n,), optional
            Nonnegative; weight 2 means the row twice.
        """
        return self._fit(*self._for_fit(X, y, sample_weight))

    @abstractmethod
    def _target(self, y: Any, n: int, weights: np.ndarray | None) -> tuple[np.ndarray, Column]:
        """The target's cells (n,), as numbers, and its column."""

    def _for_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> tuple[BlockSource, Any]:
        table = read_table(X, min_rows=2)
        weights = check_weights(sample_weight, len(table.x))
        cells, column = self._target(y, len(table.x), weights)
        x = np.column_stack([table.x.astype(np.float64, copy=False), cells])
        columns = with_more(table.columns, [replace(column, role=TARGET)])
        return ArraySource(x, weights, columns, checked=True), np.float64

    def _again(self, X: Any, sample_weight: Any = None, y: Any = None, **more: Any) -> BlockSource:
        """The data of the fit, read again."""
        if y is None and TARGET in {column.role for column in self.columns_.items}:
            raise ParameterError("the target is needed too: give y=...", parameter="y")
        self._inputs(X)
        source: BlockSource = self._for_fit(X, y, sample_weight, **more)[0]
        return source

    # --- columns ------------------------------------------------------------------------------------------------------

    @property
    def columns_(self) -> Columns:
        """The schema of the rows of the fit: inputs, and the target."""
        columns: Columns | None = self.__dict__.get("_columns")
        return columns or Columns.numbered(self._n_columns() + 1)

    def _n_columns(self) -> int:
        """Inputs."""
        return super()._n_columns() - ("result_" not in self.__dict__)

    def _n_inputs(self, columns: Columns) -> int:
        """How many of these columns ``fit`` is given as ``X``."""
        return len(columns) - 1

    def _adopt(self, result: Result, columns: Columns, width: Any) -> None:
        super()._adopt(result, columns, width)
        self.n_features_in_ = self._n_inputs(columns)
        if columns.named:
            self.feature_names_in_ = np.array(columns.names[: self.n_features_in_], dtype=object)

    def _inputs(self, X: Any) -> Table:
        """New inputs, compared with those of the fit."""
        self._current()
        like = self.columns_.some(range(self._n_columns()))
        table = read_table(X, like=like, every_column=False)
        self._check_columns(table.columns)
        return table

    def _rows(self, X: Any, y: Any = None) -> ArraySource:
        """New rows, their targets missing unless they are given."""
        table = self._inputs(X)
        cells = np.full(len(table.x), np.nan) if y is None else self._codes(y, len(table.x))
        return ArraySource(np.column_stack([table.x.astype(np.float64, copy=False), cells]), columns=self.columns_, checked=True)

    def _codes(self, y: Any, n: int) -> np.ndarray:
        """Targets of new rows (n,) as the model has them."""
        return self._target(y, n, None)[0]

    def target_column(self) -> str | None:
        """By its role."""
        places = self.columns_.role(TARGET)
        return self.columns_[places[0]].name if len(places) == 1 and self.columns_.named else None

    # --- criteria -----------------------------------------------------------------------------------------------------

    def bic(self) -> float:
        """-2 log-likelihood + parameters * ln(rows), of the fit: lower is better."""
        log_likelihood, n = self._of_the_fit()
        return self._criterion(bic_price(n), log_likelihood)

    def aic(self) -> float:
        """-2 log-likelihood + 2 parameters, of the fit: lower is better."""
        return self._criterion(2.0, self._of_the_fit()[0])

    def takes_texts(self) -> bool:
        """No: inputs are numbers."""
        return False


def with_more(inputs: Columns, more: Sequence[Column]) -> Columns:
    """The inputs' columns and further ones, each under a name that none before it has; numbers where inputs have no names."""
    items = list(inputs.items)
    for column in more:
        name, taken = column.name, {item.name for item in items}
        while inputs.named and name in taken:
            name += "_"
        items.append(replace(column, name=name if inputs.named else f"x{len(items)}"))
    return Columns(tuple(items), inputs.named)
