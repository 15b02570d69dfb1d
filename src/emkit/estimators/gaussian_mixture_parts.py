"""Marginal and conditional distributions of a fitted mixture of Gaussians: mixtures of Gaussians again."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from emkit.core.columns import Columns
from emkit.core.errors import DataError, ParameterError
from emkit.core.result import Result
from emkit.families.gaussian.conditional import given
from emkit.families.gaussian.covariance_types import ALL_TYPES, plain_name
from emkit.families.gaussian.family import Gaussian
from emkit.families.gaussian.params import GaussianParams
from emkit.models.mixture import FiniteMixture, MixtureParams


class HasParts:
    """Part of ``GaussianMixture``: the distribution of some columns, alone or given others."""

    def marginal(self: Any, columns: Any) -> Any:
        """The distribution of some columns alone.

        Parameters
        ----------
        columns : sequence of str or int
            Names, or numbers; the mixture has them in this order.

        Returns
        -------
        GaussianMixture
            Fitted, with the same weights; it predicts, scores, draws and saves like any other.

        Raises
        ------
        ParameterError
            For a column that is not there, or is named twice; for a mixture with ``noise``, which has no density of its own in
            fewer columns.
        """
        current = without_noise(self)
        places = places_of(columns, self.columns_, "columns")
        params = current.params.components
        means, c = params.means[:, places], params.covariances
        if c.ndim == 3:
            c = c[:, np.array(places)[:, None], places]
        elif c.shape[1] > 1:
            c = c[:, places]
        return self._with_components(current.params.weights, GaussianParams(means, c), places, plain_kind(current.model))

    def conditional(self: Any, given: Mapping[Any, float] | Any) -> Any:
        """The distribution of the other columns, given values of some.

        Parameters
        ----------
        given : mapping, array (d,) or series
            From columns, by name or number, to their values; or a whole row, NaN in the columns that are asked for; or a pandas
            series with names, NaN in those.

        Returns
        -------
        GaussianMixture
            Fitted, of the columns that are left, in their order. Covariances that components share stay shared.

        Raises
        ------
        ParameterError
            For a column that is not there, or is given twice; if no column is given, or none is left; for a mixture with
            ``noise``.
        DataError
            For a value that is missing or infinite: leave the column out, and it is integrated out by ``marginal``.

        References
        ----------
        Ghahramani and Jordan (1994), Supervised learning from incomplete data via an EM approach, NIPS 6, 120-127.
        """
        current, columns = without_noise(self), self.columns_
        row = given_row(given, columns)
        asked = np.flatnonzero(np.isnan(row))
        if not len(asked) or len(asked) == len(columns):
            what = "no column is left" if not len(asked) else "no column is given"
            raise ParameterError(f"given: {what}; give values of some of the {len(columns)} columns", parameter="given")
        (found,) = left(current.params.components, current.params.log_weights, row[None], asked.tolist())
        kind = plain_kind(current.model)
        covariances = found.covariances if ALL_TYPES[kind].matrix else np.diagonal(found.covariances, axis1=1, axis2=2)
        if not ALL_TYPES[kind].matrix and ALL_TYPES[kind].pooled:
            covariances = covariances[:, :1]
        params = GaussianParams(found.means[:, 0], np.array(covariances))
        return self._with_components(found.weights[0], params, list(asked), kind)

    def _with_components(self: Any, weights: np.ndarray, params: GaussianParams, places: list[int], kind: str) -> Any:
        """A fitted mixture over some of the columns."""
        family = Gaussian(kind, None)
        made = type(self)(len(weights), covariance_type=kind, prior=None, random_state=self.random_state, n_jobs=self.n_jobs)
        model = FiniteMixture(family, len(weights), None).without_data({}, len(places))
        made._adopt(
            Result.by_hand(model, MixtureParams(np.array(weights), params)),
            self.columns_.some([int(j) for j in places]),
            self.__dict__.get("_width", np.float64),
        )
        return made


def without_noise(mixture: Any) -> Result:
    """The mixture's result. Raises ParameterError if it has noise."""
    current: Result = mixture._current()
    if mixture.noise is not False:
        raise ParameterError(
            "a mixture with noise has no marginal or conditional mixture of Gaussians: the noise is uniform over a region of all "
            "columns; fit without noise",
            parameter="noise",
        )
    return current


left = given
"""The same under a name that an argument does not hide."""


def plain_kind(model: Any) -> str:
    """The covariance type that marginals and conditionals have: shapes, not volumes, are lost when columns are."""
    kind = plain_name(model.family.covariance_type)
    if kind in ("full", "tied", "diag", "spherical", "tied-diag", "tied-spherical"):
        return kind
    return "full" if ALL_TYPES[kind].matrix else "diag"


def place_of(column: Any, columns: Columns, parameter: str) -> int:
    """The number of a column that is given by name or number. Raises ParameterError if there is none."""
    if isinstance(column, str):
        if columns.named and column in columns.names:
            return columns.names.index(column)
        known = ", ".join(map(repr, columns.names)) if columns.named else f"numbers 0 to {len(columns) - 1}"
        raise ParameterError(f"{parameter}: there is no column {column!r}; there are {known}", parameter=parameter)
    whole = isinstance(column, int | np.integer) and not isinstance(column, bool)
    if not whole or not -len(columns) <= column < len(columns):
        raise ParameterError(f"{parameter}: there is no column {column!r}; there are {len(columns)}", parameter=parameter)
    return int(column) % len(columns)


def places_of(columns: Any, known: Columns, parameter: str) -> list[int]:
    """The numbers of columns that are given by name or number. Raises ParameterError for none, and for one that comes twice."""
    several = [columns] if isinstance(columns, str | int | np.integer) or not isinstance(columns, Iterable) else list(columns)
    found = [place_of(column, known, parameter) for column in several]
    if not found or len(set(found)) < len(found):
        what = "name at least one column" if not found else "a column is named twice"
        raise ParameterError(f"{parameter}: {what}", parameter=parameter)
    return found


def given_row(values: Any, columns: Columns) -> np.ndarray:
    """A row (d,) with the values that are given, NaN elsewhere."""
    row = np.full(len(columns), np.nan)
    if hasattr(values, "dropna"):  # a series, whose order need not be that of the columns
        values = dict(values.dropna().items())
    if not isinstance(values, Mapping):
        try:
            array = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"given holds something that is no number: {error}") from error
        if array.shape != row.shape:
            raise ParameterError(
                f"given has shape {array.shape}: give a mapping from columns to values, or a row ({len(row)},)", parameter="given"
            )
        items = [(j, array[j]) for j in np.flatnonzero(~np.isnan(array)).tolist()]
    else:
        items = list(zip(places_of(values, columns, "given") if values else [], values.values(), strict=True))
    for j, value in items:
        number = np.asarray(value)
        if number.ndim or number.dtype.kind not in "fiub" or not np.isfinite(number):
            raise DataError(
                f"{columns.called(j)} is given as {value!r}: give a finite number, or leave the column out", column=columns[j].name
            )
        row[j] = float(number)
    return row
