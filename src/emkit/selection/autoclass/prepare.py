"""A table as AutoClass's search works on it: a matrix of features whose weighted sums are all that a class needs.

Per row and class the log-density of every term is linear in a few features of the row: indicators of levels, and whether a number
is known, its value and its square. So one E-step is one matrix product (features @ coefficients), and the statistics of all
classes are another (memberships' @ features), whatever the kinds of the columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emkit.core.errors import DataError, ParameterError
from emkit.selection.autoclass.attributes import Attribute, TableModel, Term

# The program's constants: a class is never narrower than 5 errors of measurement; a mean's prior is wide even then.
SAFETY = 5.0
LEAST_WEIGHT = 2.1


@dataclass(frozen=True)
class Categories:
    """Terms of one category each. Their indicators stand side by side in the features.

    Attributes
    ----------
    terms : ndarray of shape (t,)
        Which of the model's terms they are.
    block : slice
        Their indicators' place among the features.
    starts, levels : ndarrays of shape (t,)
        Where each term begins inside the block, and how many levels it has, "missing" included where any cell is.
    """

    terms: np.ndarray
    block: slice
    starts: np.ndarray
    levels: np.ndarray


@dataclass(frozen=True)
class Normals:
    """Terms of one number each, about their means: the prior's mean m0 is 0 here.

    Attributes
    ----------
    terms : ndarray of shape (t,)
    known, linear, square : ndarrays of shape (t,)
        The features that sum to the known weight, the values and their squares.
    outcome : boolean ndarray of shape (t,)
        Whether a missing cell is an outcome of its own ("single_normal_cm").
    pivot : ndarray of shape (t,)
        What was subtracted: the mean of the known values (of their logarithms).
    s0, smin, smax : ndarrays of shape (t,)
        Prior of the mean N(m0, s0^2); smallest and largest standard deviation of a class.
    log_error : ndarray of shape (t,)
        Logarithm of the error of measurement: a density times the error is a probability.
    known_prior : ndarray of shape (t,)
        (number known + 1/2) / (n + 1).
    """

    terms: np.ndarray
    known: np.ndarray
    linear: np.ndarray
    square: np.ndarray
    outcome: np.ndarray
    pivot: np.ndarray
    s0: np.ndarray
    smin: np.ndarray
    smax: np.ndarray
    log_error: np.ndarray
    known_prior: np.ndarray


@dataclass(frozen=True)
class CorrelatedBlock:
    """One term of d correlated numbers ("multi_normal_cn").

    Attributes
    ----------
    term : int
    linear : ndarray of shape (d,)
        Features that sum to the values.
    product : ndarray of shape (d, d)
        Features that sum to the products of each two.
    pivot, error, spread : ndarrays of shape (d,)
        What was subtracted; errors of measurement; ranges of the columns.
    """

    term: int
    linear: np.ndarray
    product: np.ndarray
    pivot: np.ndarray
    error: np.ndarray
    spread: np.ndarray


@dataclass(frozen=True)
class Prepared:
    """A table ready for the search.

    Attributes
    ----------
    features : ndarray of shape (n, p)
        The first is 1.
    categories, normals : Categories, Normals
    blocks : tuple of CorrelatedBlock
    model : TableModel
        As it was given; its terms in its order number the terms here. Ignored terms have no features.
    """

    features: np.ndarray
    categories: Categories
    normals: Normals
    blocks: tuple[CorrelatedBlock, ...]
    model: TableModel

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.features.shape[0])

    @property
    def n_terms(self) -> int:
        """Number of terms, ignored ones included."""
        return len(self.model.terms)


def prepare(x: np.ndarray, model: TableModel) -> Prepared:
    """Features and priors of a table.

    Parameters
    ----------
    x : ndarray of shape (n, d)
        Level numbers of categories, other columns in the user's units; NaN where a cell is missing.
    model : TableModel
        An attribute for each column, and terms that part the columns.

    Raises
    ------
    ParameterError
        The model does not fit the table: a column in no term or in two, a term of the wrong kind, an error of measurement that is
        not positive.
    DataError
        A cell that its attribute rules out, a column with no known cell, or one whose range is not larger than ten errors of
        measurement. AutoClass C refuses the last, too: nothing is left between the smallest and the largest spread of a class.
    """
    x = np.asarray(x, dtype=np.float64)
    _check_shape(x, model)
    features: list[np.ndarray] = [np.ones((len(x), 1))]
    categories = _categories(x, model, features)
    normals = _normals(x, model, features)
    blocks = tuple(
        _block(x, model.attributes, term, t, features) for t, term in enumerate(model.terms) if term.kind == "multi_normal_cn"
    )
    return Prepared(np.ascontiguousarray(np.concatenate(features, axis=1)), categories, normals, blocks, model)


def numbers(x: np.ndarray, attribute: Attribute) -> np.ndarray:
    """A column of numbers as the normal distribution sees it: logarithms of the distance from ``zero_point`` for a "scalar"."""
    if not attribute.error > 0 or not np.isfinite(attribute.error):
        raise ParameterError(
            f"attribute {attribute.name!r} has error of measurement {attribute.error}; give a positive one", parameter="error"
        )
    _refuse(np.isinf(x), x, attribute, "mark it missing (NaN)")
    if attribute.kind == "location":
        return x
    below = x <= attribute.zero_point
    _refuse(
        below,
        x,
        attribute,
        f"values must be above its zero point, {attribute.zero_point}: lower that in zero_points, or give the column "
        "the type 'normal'",
    )
    return np.log(x - attribute.zero_point)


def error_of(attribute: Attribute) -> float:
    """The error of measurement on the scale of ``numbers``: ln(1 + relative error) of a "scalar"."""
    return float(np.log1p(attribute.error)) if attribute.kind == "scalar" else attribute.error


def _refuse(bad: np.ndarray, x: np.ndarray, attribute: Attribute, advice: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(f"column {attribute.name!r} row {row} is {x[row]:g}; {advice}", column=attribute.name, row=row)


def _check_shape(x: np.ndarray, model: TableModel) -> None:
    if x.ndim != 2 or x.shape[1] != len(model.attributes):
        raise ParameterError(
            f"the model has {len(model.attributes)} attributes and the table is of shape {x.shape}", parameter="model"
        )
    if len(x) == 0:
        raise DataError("the table has no rows; AutoClass needs at least one")
    told = sorted(c for term in model.terms for c in term.columns)
    if told != list(range(x.shape[1])):
        raise ParameterError(f"terms must part the {x.shape[1]} columns; they name columns {told}", parameter="terms")
    for term in model.terms:
        _check_term(term, model.attributes)
    for j, attribute in enumerate(model.attributes):
        ignored = any(j in term.columns for term in model.terms if term.kind == "ignore")
        if not ignored and np.isnan(x[:, j]).all():
            raise DataError(f"column {attribute.name!r} has no known cell; ignore it", column=attribute.name)


def _check_term(term: Term, attributes: Sequence[Attribute]) -> None:
    if term.kind == "ignore":
        return
    discrete = term.kind == "single_multinomial"
    for c in term.columns:
        if (attributes[c].kind == "discrete") != discrete:
            raise ParameterError(
                f"term {term.kind!r} does not suit attribute {attributes[c].name!r}, which is {attributes[c].kind!r}",
                parameter="terms",
            )
    if (len(term.columns) == 1) == (term.kind == "multi_normal_cn"):
        raise ParameterError(f"term {term.kind!r} cannot have {len(term.columns)} columns", parameter="terms")


def _categories(x: np.ndarray, model: TableModel, features: list[np.ndarray]) -> Categories:
    terms, levels = [], []
    first = sum(f.shape[1] for f in features)
    for t, term in enumerate(model.terms):
        if term.kind != "single_multinomial":
            continue
        attribute = model.attributes[term.columns[0]]
        column = x[:, term.columns[0]]
        missing = np.isnan(column)
        wrong = ~missing & ~((column >= 0) & (column < attribute.n_levels) & (column == np.floor(column)))
        _refuse(wrong, column, attribute, f"levels are whole numbers from 0 to {attribute.n_levels - 1}")
        n_levels = attribute.n_levels + bool(missing.any())
        if n_levels < 2:
            continue  # a constant has probability 1 under every class
        features.append((np.where(missing, attribute.n_levels, column)[:, None] == np.arange(n_levels)).astype(np.float64))
        terms.append(t)
        levels.append(n_levels)
    sizes = np.array(levels, dtype=np.intp)
    return Categories(np.array(terms, dtype=np.intp), slice(first, first + int(sizes.sum())), np.cumsum(sizes) - sizes, sizes)


def _spread(y: np.ndarray, attribute: Attribute) -> float:
    """Range of the known values, checked against the error of measurement."""
    spread = float(np.nanmax(y) - np.nanmin(y))
    least = 2 * SAFETY * error_of(attribute)
    if spread <= least:
        scale = " of its logarithms" if attribute.kind == "scalar" else ""
        raise DataError(
            f"column {attribute.name!r} has a range{scale} of {spread:g}, not more than ten errors of measurement ({least:g}); "
            "ignore it, make it a category, or give a smaller error",
            column=attribute.name,
        )
    return spread


def _normals(x: np.ndarray, model: TableModel, features: list[np.ndarray]) -> Normals:
    rows: list[tuple[float, ...]] = []
    at = sum(f.shape[1] for f in features)
    for t, term in enumerate(model.terms):
        if term.kind not in ("single_normal_cn", "single_normal_cm"):
            continue
        attribute = model.attributes[term.columns[0]]
        y = numbers(x[:, term.columns[0]], attribute)
        spread, error = _spread(y, attribute), error_of(attribute)
        missing = np.isnan(y)
        pivot = float(np.mean(y[~missing]))
        z = np.where(missing, 0.0, y - pivot)
        own = [z, z * z, (~missing).astype(np.float64)][: 3 if missing.any() else 2]
        features.append(np.stack(own, axis=1))
        smin = SAFETY * error
        rows.append(
            (
                t,
                at + 2 if missing.any() else 0,
                at,
                at + 1,
                term.kind == "single_normal_cm",
                pivot,
                max(spread / 2, SAFETY / np.sqrt(LEAST_WEIGHT) * smin),
                smin,
                max(smin, spread / 2),
                np.log(error),
                ((~missing).sum() + 0.5) / (len(x) + 1),
            )
        )
        at += len(own)
    table = np.array(rows, dtype=np.float64).reshape(-1, 11)
    terms, known, linear, square = (table[:, k].astype(np.intp) for k in range(4))
    return Normals(terms, known, linear, square, table[:, 4] > 0, *table[:, 5:].T.copy())


def _block(x: np.ndarray, attributes: Sequence[Attribute], term: Term, t: int, features: list[np.ndarray]) -> CorrelatedBlock:
    at = sum(f.shape[1] for f in features)
    own = [attributes[c] for c in term.columns]
    y = np.stack([numbers(x[:, c], attributes[c]) for c in term.columns], axis=1)
    if np.isnan(y).any():
        row, j = (int(v) for v in np.argwhere(np.isnan(y))[0])
        raise DataError(
            f"column {own[j].name!r} row {row} is missing, and correlated columns need all cells: give them the type "
            "'normal', each alone",
            column=own[j].name,
            row=row,
        )
    spread = np.array([_spread(y[:, j], a) for j, a in enumerate(own)])
    pivot = y.mean(axis=0)
    z = y - pivot
    d = len(own)
    a, b = np.tril_indices(d)
    features.append(np.concatenate([z, z[:, a] * z[:, b]], axis=1))
    product = np.empty((d, d), dtype=np.intp)
    product[a, b] = product[b, a] = at + d + np.arange(len(a))
    return CorrelatedBlock(t, at + np.arange(d), product, pivot, np.array([error_of(a) for a in own]), spread)
