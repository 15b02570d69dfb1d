"""A family from two functions: the log density of rows, and the parameters that fit weighted rows best."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.checks import one_of
from emkit.core.errors import ParameterError
from emkit.core.family import Family
from emkit.core.parameters import Parameter, Real
from emkit.core.records import Stats
from emkit.core.support import Angles, Counts, Fractions, Nonnegatives, Positives, Reals, Support

_SUPPORTS: dict[str, Support] = {
    "real": Reals(), "positive": Positives(), "nonnegative": Nonnegatives(), "count": Counts(), "fraction": Fractions(),
    "angle": Angles(),
}  # fmt: skip


@dataclass(frozen=True)
class Table(Stats):
    """Distinct ``rows`` (m, d) in a fixed order, and the expected weight of each under each component, ``weights`` (m, K)."""

    rows: np.ndarray = field(metadata={"additive": False})
    weights: np.ndarray

    def __add__(self, other: "Table") -> "Table":
        if np.array_equal(self.rows, other.rows, equal_nan=True):
            return Table(self.rows, self.weights + other.weights)
        rows, place = _distinct(np.concatenate([self.rows, other.rows]))
        return Table(rows, _summed(place, np.concatenate([self.weights, other.weights]), len(rows)))


def _keys(x: np.ndarray) -> np.ndarray:
    """Each row as bytes; all kinds of NaN, and both zeros, are the same."""
    plain = np.ascontiguousarray(np.where(np.isnan(x), np.nan, x + 0.0))
    return plain.view(np.dtype((np.void, plain.shape[1] * plain.itemsize))).ravel()


def _distinct(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct rows, in a fixed order, and where each row stands among them."""
    if not len(x):
        return x, np.zeros(0, dtype=np.intp)
    _, first, place = np.unique(_keys(x), return_index=True, return_inverse=True)
    return x[first], place.ravel()


def _summed(place: np.ndarray, weights: np.ndarray, m: int) -> np.ndarray:
    """Sums of weights (n, K) that go to the same of m places."""
    each = [np.bincount(place, column, minlength=m) for column in weights.T]
    return np.stack(each, axis=1) if each else np.zeros((m, 0))


@dataclass(frozen=True)
class Custom(Family):
    """A distribution of rows that you describe by functions of your own; its parameters are a vector theta for each component.

    The statistics are a table of the distinct rows with the weight of each, since only your function knows what it needs: they add
    up over any split of the data, but take as much memory as the data have distinct rows. For many more than 100,000 of them write
    a family instead, such as an ``ExponentialFamily``.

    Parameters
    ----------
    log_density : callable
        ``log_density(x, theta)``: log density or probability of each row of ``x`` (n, d), (n,). Missing cells are NaN; rows with
        nothing observed are left out.
    weighted_fit : callable
        ``weighted_fit(x, weights, theta)``: the parameters (p,) that maximise ``sum(weights * log_density(x, theta))``, or at least
        do not lower it below that of the present ``theta``, which is None for the first guess. Any numbers may be in theta: let it
        hold the logarithm of what must be positive.
    sampler : callable, optional
        ``sampler(theta, n, rng)``: n rows (n, d).
    values : {"real", "positive", "nonnegative", "count", "fraction", "angle"}
        What a cell may be.
    name : str
        How summaries and errors call it.
    n_parameters : int, optional
        p; by default as many as ``weighted_fit`` finds.
    fixed, start_values : mapping, optional
        "theta" (K, p).

    Notes
    -----
    Functions cannot be written to a model file. Objects of frozen dataclasses with a method ``__call__`` can: pass such objects
    instead, and their classes to ``load(path, classes=[...])``.
    """

    log_density: Callable[..., Any]
    weighted_fit: Callable[..., Any]
    sampler: Callable[..., Any] | None = None
    values: str = "real"
    name: str = "custom"
    n_parameters: int | None = None
    _table: np.ndarray | None = field(default=None, init=False, repr=False, compare=False)
    _places: dict[bytes, int] | None = field(default=None, init=False, repr=False, compare=False)

    parameters = (Parameter("theta", "K p", Real()),)
    made_of_others: ClassVar[bool] = True

    def __post_init__(self) -> None:
        one_of(self.values, _SUPPORTS, "values")
        for name in ("log_density", "weighted_fit"):
            if not callable(getattr(self, name)):
                raise ParameterError(f"{name}={getattr(self, name)!r}: give a function", parameter=name)
        super().__post_init__()

    @classmethod
    def examples(cls) -> list[Self]:
        """Rayleigh columns, whose theta holds the logarithm of a scale for each."""
        from emkit.families.custom_example import RayleighDensity, RayleighFit, RayleighSampler

        return [cls(RayleighDensity(), RayleighFit(), RayleighSampler(), values="positive", name="rayleigh")]

    @property
    def support(self) -> Support:  # type: ignore[override]
        """As ``values`` says."""
        return _SUPPORTS[self.values]

    @property
    def in_words(self) -> str:
        """Its name."""
        return self.name

    def sizes(self, k: int, d: int) -> dict[str, int]:
        """As many parameters as were found."""
        return {"K": k, "d": d, "p": self.n_parameters or 0}

    def resolve(self, source: Source, k: int) -> Self:
        """Makes the table of distinct rows, and finds how many parameters there are."""
        self.check(source)
        rows = np.zeros((0, source.n_features))
        for block in source:
            x = np.asarray(block.x, dtype=np.float64)
            rows = _distinct(np.concatenate([rows, x[~np.isnan(x).all(axis=1)]]))[0]
        sized = replace(self, n_parameters=len(self._fit(rows, np.ones(len(rows)), None, 0)))
        found: Self = super(Custom, sized).resolve(source, k)
        object.__setattr__(found, "_table", rows)
        object.__setattr__(found, "_places", {key: i for i, key in enumerate(_keys(rows).tolist())})
        return found

    # --- the two functions, and what they may not do ------------------------------------------------------------------

    def _wrong(self, function: str, what: str) -> ParameterError:
        return ParameterError(f"the family {self.name!r}: {function} {what}", parameter=function)

    def _density(self, x: np.ndarray, theta: np.ndarray, k: int) -> np.ndarray:
        """The user's log density of rows, checked, (n,)."""
        if not len(x):
            return np.zeros(0)
        found = np.asarray(self.log_density(x, theta), dtype=np.float64)
        if found.shape != (len(x),):
            raise self._wrong("log_density", f"gave shape {found.shape} for {len(x)} rows, expected ({len(x)},)")
        bad = ~(found < np.inf)
        if bad.any():
            i = int(np.flatnonzero(bad)[0])
            where = f"the row {x[i].tolist()} at theta={np.asarray(theta).tolist()} of component {k}"
            raise self._wrong("log_density", f"gave {found[i]} for {where}")
        return found

    def _fit(self, rows: np.ndarray, weights: np.ndarray, theta: np.ndarray | None, k: int) -> np.ndarray:
        """The user's parameters, checked, (p,)."""
        found = np.array(self.weighted_fit(rows, weights, theta), dtype=np.float64)
        p = self.n_parameters if theta is None else len(theta)
        if found.ndim != 1 or (p is not None and len(found) != p):
            raise self._wrong("weighted_fit", f"gave shape {found.shape} for component {k}, expected ({'p' if p is None else p},)")
        if not np.isfinite(found).all():
            raise self._wrong("weighted_fit", f"gave {found.tolist()} for component {k}")
        return found

    def _value(self, stats: Table, theta: np.ndarray, k: int) -> float:
        """The weighted log-likelihood of component k."""
        used = stats.weights[:, k] > 0
        return float(stats.weights[used, k] @ self._density(stats.rows[used], theta, k))

    # --- the contract -------------------------------------------------------------------------------------------------

    def log_prob(self, params: Any, x: Any) -> np.ndarray:
        """As the function has it; 0 for a row with nothing observed."""
        x = np.asarray(x, dtype=np.float64)
        seen = ~np.isnan(x).all(axis=1)
        out = np.zeros((len(x), len(params.theta)))
        for k, theta in enumerate(params.theta):
            out[seen, k] = self._density(x[seen], theta, k)
        return out

    def stats(self, params: Any, x: Any, resp: Any) -> Table:
        """Weights of the distinct rows: those of the data that it was resolved for, and others that may come."""
        x, resp = np.asarray(x, dtype=np.float64), np.asarray(resp, dtype=np.float64)
        seen = ~np.isnan(x).all(axis=1)
        x, resp = x[seen], resp[seen]
        if self._table is None or self._places is None:
            rows, place = _distinct(x)
        else:
            rows, place = self._table, np.array([self._places.get(key, -1) for key in _keys(x).tolist()], dtype=np.intp)
            if (place < 0).any():
                rows, place = _distinct(np.concatenate([self._table, x]))
                place = place[len(self._table) :]
        return Table(rows, _summed(place, resp, len(rows)))

    def stats_block(self, params: Any, block: Block, resp: np.ndarray) -> Table:
        """All rows at once."""
        return self.stats(params, block.x, resp)

    def update(self, stats: Table, params: Any) -> Any:
        """The M-step; a component with some parameters held moves only if it gains with these put back."""
        new = super().update(stats, params)
        some = ~np.isnan(self.held("theta", params.theta.shape))
        theta = new.theta.copy()
        for k in np.flatnonzero(some.any(axis=1) & ~some.all(axis=1)).tolist():
            if self._value(stats, theta[k], k) < self._value(stats, params.theta[k], k):
                theta[k] = params.theta[k]
        return self.Params(theta)

    def m_step(self, stats: Table, params: Any) -> Any:
        """As the function has it. Raises ParameterError if it lowers the weighted log-likelihood."""
        theta = params.theta.copy()
        for k in range(len(theta)):
            used = stats.weights[:, k] > 0
            if not used.any():
                continue
            new = self._fit(stats.rows[used], stats.weights[used, k], theta[k].copy(), k)
            before, after = self._value(stats, theta[k], k), self._value(stats, new, k)
            if after < before - 1e-7 * (1.0 + abs(before)):
                what = f"lowered the weighted log-likelihood of component {k} from {before:.8g} to {after:.8g}"
                raise self._wrong("weighted_fit", f"{what}: it must not end below the theta that it was given")
            if after >= before:
                theta[k] = new
        return self.Params(theta)

    def first_guess(self, stats: Table) -> Any:
        """As the function fits each part, with a row's worth of all rows blended in."""
        share = stats.weights.sum(axis=1) / max(float(stats.weights.sum()), 1e-300)
        weights = stats.weights + share[:, None]
        used = share > 0
        return self.Params(np.array([self._fit(stats.rows[used], w[used], None, k) for k, w in enumerate(weights.T)]))

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """By the ``sampler``. Raises ParameterError if there is none."""
        if self.sampler is None:
            raise ParameterError(f"the family {self.name!r} cannot be sampled: give it a sampler", parameter="sampler")
        parts = {k: np.asarray(self.sampler(params.theta[k], int((component == k).sum()), rng)) for k in np.unique(component)}
        out = np.zeros((len(component), next(iter(parts.values())).shape[1] if parts else 1))
        for k, rows in parts.items():
            out[component == k] = rows
        return out

    def q(self, stats: Table, params: Any) -> float:
        """The weighted log-likelihood of the rows: nothing is hidden."""
        return sum(self._value(stats, theta, k) for k, theta in enumerate(params.theta))
