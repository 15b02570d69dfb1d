"""What AutoClass makes of the columns of a table: types and errors of measurement, told or inferred, and the family they give."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.columns import Column, Columns
from emkit.core.errors import DataError, ParameterError
from emkit.core.family import Family
from emkit.core.prior import Dirichlet
from emkit.estimators.autoclass_left_out import constant
from emkit.families.bernoulli import BetaPrior
from emkit.families.categorical import Categorical
from emkit.families.gaussian.family import Gaussian
from emkit.families.gaussian.prior import GaussianPrior
from emkit.families.ignored import Ignored
from emkit.families.log_scale import LogScale
from emkit.families.measured_normal import MeasuredNormal
from emkit.families.per_column import PerColumn
from emkit.families.with_missing import WithMissing
from emkit.selection.autoclass.attributes import Attribute, TableModel, Term
from emkit.selection.autoclass.prepare import SAFETY, error_of

WORDS = ("normal", "log", "categorical", "ignore", "correlated", "correlated-log")
_NUMBERS = ("normal", "log", "correlated", "correlated-log")
_FEW = 8  # different whole numbers up to which a column is one of categories, if each is seen five times on average
_FINE, _COARSE = 1e-3, 1e-2  # of a standard deviation, of the range: between these an error is inferred


@dataclass(frozen=True)
class Told:
    """What a user says of columns; names of settings as ``AutoClass`` has them.

    Attributes
    ----------
    types, errors, zero_points : mappings by name or number of a column
        ``types`` also by tuples of columns that are correlated.
    missing : "outcome", "random" or mapping
    """

    types: Mapping[Any, str]
    errors: Mapping[Any, float]
    zero_points: Mapping[Any, float]
    missing: Any


def table_model(x: np.ndarray, columns: Columns, told: Told) -> TableModel:
    """Attributes and terms of the columns of rows (n, d). Raises ParameterError naming the column or the setting."""
    words: dict[int, str] = {}
    blocks: list[tuple[int, ...]] = []
    for key, word in told.types.items():
        places = tuple(_place(columns, name, "types") for name in (key if isinstance(key, tuple) else (key,)))
        plain = _word(word, key)
        if (len(places) > 1) != plain.startswith("correlated") and plain != "ignore":
            raise ParameterError(
                f"types={{{key!r}: {word!r}}}: " + ("several columns are 'correlated' or 'correlated-log'" if len(places) > 1 else
                "'correlated' is for a tuple of several columns"), parameter="types",
            )  # fmt: skip
        for place in places:
            if place in words:
                raise ParameterError(f"types: {columns.called(place)} has two", parameter="types")
            words[place] = plain
        if plain.startswith("correlated"):
            blocks.append(places)
    attributes = []
    for j, column in enumerate(columns.items):
        word = words.setdefault(j, _inferred(x[:, j], column))
        if word != "ignore" and np.isnan(x[:, j]).all():
            raise DataError(f"{columns.called(j)} has no observed value, and types says that it is {word!r}", column=column.name)
        attributes.append(_attribute(x[:, j], j, columns, word, told))
    in_blocks = {j for block in blocks for j in block}
    terms = [Term("multi_normal_cn", block) for block in blocks]
    for j in range(len(columns)):
        if j not in in_blocks:
            terms.append(_term(x[:, j], j, columns, words[j], told))
    return TableModel(tuple(attributes), tuple(terms))


def _word(word: Any, key: Any) -> str:
    plain = str(word).lower().replace("_", "-").replace(" ", "-")
    plain = {"gaussian": "normal", "lognormal": "log", "log-normal": "log", "category": "categorical"}.get(plain, plain)
    if plain not in WORDS:
        raise ParameterError(f"types={{{key!r}: {word!r}}}: choose one of {', '.join(map(repr, WORDS))}", parameter="types")
    return plain


def _place(columns: Columns, name: Any, setting: str) -> int:
    if isinstance(name, str) and columns.named and name in columns.names:
        return columns.names.index(name)
    number = int(name) if isinstance(name, int | np.integer) or (isinstance(name, str) and name.isdigit()) else -1
    if not 0 <= number < len(columns):
        there = ", ".join(map(repr, columns.names[:10])) if columns.named else f"0 to {len(columns) - 1}"
        raise ParameterError(f"{setting}: there is no column {name!r}; there are {there}", parameter=setting)
    return number


def _inferred(x: np.ndarray, column: Column) -> str:
    """Texts, categories, and few whole numbers are categories; other numbers are normal or, where that is likelier, log-normal.

    What has one value, or none, is ignored.
    """
    if constant(x):
        return "ignore"
    if column.levels is not None or column.kind in ("category", "binary"):
        return "categorical"
    seen = x[~np.isnan(x)].astype(np.float64)
    values = np.unique(seen)
    whole = len(values) > 0 and values[0] >= 0 and bool((values == np.round(values)).all())
    if whole and len(values) <= min(_FEW, len(seen) / 5):
        return "categorical"
    if len(values) < 3 or values[0] <= 0:
        return "normal"
    logs = np.log(seen)
    with np.errstate(divide="ignore"):
        return "log" if np.log(np.std(logs)) + logs.mean() < np.log(np.std(seen)) else "normal"


def categorical_columns(columns: Columns, x: np.ndarray, told: Told) -> list[int]:
    """Numbers of the columns that are categories."""
    asked = {}
    for key, word in told.types.items():
        for name in key if isinstance(key, tuple) else (key,):
            asked[_place(columns, name, "types")] = _word(word, key)
    return [j for j, column in enumerate(columns.items) if asked.get(j, _inferred(x[:, j], column)) == "categorical"]


def told_columns(columns: Columns, types: Mapping[Any, str]) -> set[int]:
    """Numbers of the columns that have a type."""
    return {_place(columns, name, "types") for key in types for name in (key if isinstance(key, tuple) else (key,))}


def _given(values: Mapping[Any, float], j: int, columns: Columns, setting: str) -> float | None:
    found = [value for name, value in values.items() if _place(columns, name, setting) == j]
    if not found:
        return None
    good = isinstance(found[0], int | float | np.number) and np.isfinite(found[0])
    if not good:
        raise ParameterError(f"{setting}: that of {columns.called(j)} is {found[0]!r}; give a number", parameter=setting)
    return float(found[0])


def _attribute(x: np.ndarray, j: int, columns: Columns, word: str, told: Told) -> Attribute:
    column = columns[j]
    for name, given, wanted in (("zero_points", told.zero_points, ("log", "correlated-log")), ("errors", told.errors, _NUMBERS)):
        if _given(given, j, columns, name) is not None and word not in (*wanted, "ignore"):
            raise ParameterError(f"{name}: {columns.called(j)} is of the type {word!r}, which has none", parameter=name)
    if word in ("categorical", "ignore"):
        if word == "categorical" and column.levels is None:
            levels = int(np.nanmax(x)) + 1
        else:
            levels = len(column.levels or ())
        return Attribute(column.name, "discrete", n_levels=levels)
    log = word in ("log", "correlated-log")
    zero = (_given(told.zero_points, j, columns, "zero_points") or 0.0) if log else 0.0
    error = _given(told.errors, j, columns, "errors")
    if error is None:
        error = inferred_error(x, log, zero)
    if not error > 0:
        raise ParameterError(f"errors: that of {columns.called(j)} is {error:g}; it must be above 0", parameter="errors")
    return Attribute(column.name, "scalar" if log else "location", error=error, zero_point=zero)


def inferred_error(x: np.ndarray, log: bool, zero: float) -> float:
    """Half of the smallest difference between cells, but at least 0.001 standard deviations and at most 0.01 of the range.

    On the log scale as a part of the median distance from the zero point.
    """
    seen = np.unique(x[~np.isnan(x)].astype(np.float64))
    if len(seen) < 2:
        return 1.0
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.log(seen - zero) if log else seen
    scale = scale[np.isfinite(scale)]
    if len(scale) < 2:
        return 1.0
    steps = np.diff(scale)
    spread, extent = float(np.std(scale)), float(scale[-1] - scale[0])
    error = min(max(0.5 * float(steps.min()), _FINE * spread), _COARSE * extent)
    return float(np.expm1(error)) if log else error


def _term(x: np.ndarray, j: int, columns: Columns, word: str, told: Told) -> Term:
    if word == "ignore":
        return Term("ignore", (j,))
    if word == "categorical":
        return Term("single_multinomial", (j,))
    how = told.missing
    if isinstance(how, Mapping):
        how = next((value for name, value in how.items() if _place(columns, name, "missing") == j), "outcome")
    if how not in ("outcome", "random"):
        raise ParameterError(f"missing={how!r}: choose one of 'outcome', 'random'", parameter="missing")
    outcome = how == "outcome" and np.isnan(x).any()
    return Term("single_normal_cm" if outcome else "single_normal_cn", (j,))


def family_of(model: TableModel, x: np.ndarray, columns: Columns) -> PerColumn:
    """The family whose MAP estimates AutoClass's search climbs: the same distributions and priors, term by term."""
    n, parts = len(x), dict[Any, Family]()
    for term in model.terms:
        own = [model.attributes[c] for c in term.columns]
        names: Sequence[Any] = [columns[c].name if columns.named else c for c in term.columns]
        key = tuple(names) if len(names) > 1 else names[0]
        missing = int(np.isnan(x[:, term.columns[0]]).sum())
        parts[key] = _family(term, own, n, missing)
    return PerColumn(parts)


def _family(term: Term, own: Sequence[Attribute], n: int, missing: int) -> Family:
    first = own[0]
    if term.kind == "ignore":
        return Ignored()
    if term.kind == "single_multinomial":
        levels = max(first.n_levels, 1)
        if not missing:
            return Categorical(n_categories=levels, prior=Dirichlet(1.0 + 1.0 / levels))
        share = 1.0 / (levels + 1)  # of a pseudo-row, for each level and for missing
        inner = Categorical(n_categories=levels, prior=Dirichlet(1.0 + share))
        return WithMissing(inner, BetaPrior(1.0 + share, 1.0 + levels * share))
    if term.kind == "multi_normal_cn":
        scatter = np.diag([(SAFETY * error_of(attribute)) ** 2 for attribute in own])
        block = Gaussian("full", prior=GaussianPrior(1.0, scatter))
        logs = {attribute.kind for attribute in own} == {"scalar"}
        return LogScale(block, first.zero_point) if logs else block
    inner_real = MeasuredNormal(first.error, first.kind == "scalar", first.zero_point if first.kind == "scalar" else 0.0)
    if term.kind == "single_normal_cm" and missing:
        known = (n - missing + 0.5) / (n + 1)
        return WithMissing(inner_real, BetaPrior(2.0 - known, 1.0 + known))
    return inner_real


def check_blocks(model: TableModel, columns: Columns) -> None:
    """Raise ParameterError for correlated columns of which some are on the log scale and others not."""
    for term in model.terms:
        own = [model.attributes[c] for c in term.columns]
        if term.kind == "multi_normal_cn" and len({(a.kind, a.zero_point) for a in own}) > 1:
            raise ParameterError(
                f"{columns.called(term.columns[0])} and those it is correlated with must all be on the log scale, with one zero "
                "point, or none of them",
                parameter="types",
            )
