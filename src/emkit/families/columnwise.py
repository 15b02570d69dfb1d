"""Families whose columns are independent given the component: a kind is the mathematics of one cell."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.errors import DataError, ParameterError
from emkit.core.prior import Prior
from emkit.core.records import Stats
from emkit.families.coded import CodedPasses, tallied
from emkit.families.newton import climb

_STEP = 1e-30  # of a derivative along the imaginary axis, where nothing cancels


@dataclass(frozen=True)
class Terms(Stats):
    """``mass`` (K, d): expected rows with the cell observed; ``sums``: of each term of a cell its expected sum, (K, d) each.

    ``pivot`` (K, d), or None: what the first three terms w, w (x - pivot), w (x - pivot)^2 are taken about. ``at`` (K, d, p), or
    None: the parameters that the terms were taken at, where the M-step needs to know.
    """

    mass: np.ndarray
    sums: tuple[np.ndarray, ...]
    pivot: np.ndarray | None = field(default=None, metadata={"additive": False})
    at: np.ndarray | None = field(default=None, metadata={"additive": False})

    def aligned(self, to: "Terms") -> "Terms":
        """About the pivot of ``to``, where both have one."""
        if self.pivot is None or to.pivot is None or np.array_equal(self.pivot, to.pivot):
            return self
        return self.about(to.pivot)

    def about(self, pivot: np.ndarray) -> "Terms":
        """The same terms about another pivot."""
        assert self.pivot is not None
        shift, (weight, first, second, *rest) = self.pivot - pivot, self.sums
        moved = (weight, first + shift * weight, second + shift * (2.0 * first + shift * weight), *rest)
        return Terms(self.mass, moved, pivot, self.at)


@dataclass(frozen=True)
class Columnwise(CodedPasses):
    """Base of families of independent columns.

    Every array of Params and Stats is (K, d, ...), or (1, d, ...) if components share it.

    You implement ``parameters``, ``support``, ``cell``, ``m_step`` and ``sample``, and ``terms`` unless the sum of the cells is all
    that the M-step needs. You get missing cells, fits that do one column's work once for each distinct value, and the rest of what
    ``Family`` offers. See ``ExponentialFamily`` for kinds with sufficient statistics, which need less still.
    """

    columnwise = True

    # --- what you implement -------------------------------------------------------------------------------------------

    @abstractmethod
    def cell(self, params: Any, x: np.ndarray) -> np.ndarray:
        """Log density or probability of each cell under each component, (n, K, d); ``x`` is (n, 1, d), without missing cells."""

    def terms(self, params: Any, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """What the M-step needs expected sums of, each (n, 1, d) or (n, K, d)."""
        return (x,)

    def pivot(self, params: Any) -> np.ndarray | None:
        """What the first three terms are taken about, (K, d): see ``Terms``."""
        return None

    def taken_at(self, params: Any) -> np.ndarray | None:
        """What the M-step needs to know of the parameters that the terms were taken at, (K, d, p)."""
        return None

    def guess(self, mean: np.ndarray, variance: np.ndarray) -> Any:
        """Parameters of distributions with about these moments, (K, d) each, for the first statistics to be taken at.

        Needed only where ``terms`` depend on the parameters.
        """
        return self.null(*mean.shape)

    # --- what you get -------------------------------------------------------------------------------------------------

    def _filled(self, x: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cells (n, 1, d), with others in place of those that are missing or may not be; and which are observed, and may be."""
        x = np.asarray(x, dtype=np.float64)
        seen = ~np.isnan(x)
        allowed = seen & self.support.holds(np.where(seen, x, self.support.inside))
        return np.where(allowed, x, self.support.inside)[:, None, :], seen, allowed

    def log_prob(self, params: Any, x: Any) -> np.ndarray:
        """Sum of the cells' log densities, (n, K); -inf for what may not be."""
        filled, seen, allowed = self._filled(x)
        cells = self.cell(params, filled)
        if not allowed.all():
            cells = np.where(allowed[:, None, :], cells, np.where(seen, -np.inf, 0.0)[:, None, :])
        return np.asarray(cells.sum(axis=2))

    def stats(self, params: Any, x: Any, resp: Any) -> Terms:
        """Expected sums of the terms over the observed cells."""
        filled, seen, _ = self._filled(x)
        r = np.asarray(resp, dtype=np.float64).T
        whole = seen.all()

        def total(term: np.ndarray) -> np.ndarray:
            term = term if whole else np.where(seen[:, None, :], term, 0.0)
            return r @ term[:, 0, :] if term.shape[1] == 1 else np.asarray(np.einsum("kn,nkd->kd", r, term))

        return Terms(r @ seen, tuple(total(term) for term in self.terms(params, filled)), self.pivot(params), self.taken_at(params))

    def stats_block(self, params: Any, block: Block, resp: np.ndarray) -> Any:
        """By distinct values, where these are few."""
        found = tallied(self, params, block, resp)
        return super().stats_block(params, block, resp) if found is None else found

    def anchor(self, k: int, d: int) -> Any:
        """Every component as the columns are as a whole."""
        seen = self._resolved()
        variance = np.where(seen.variance > 0, seen.variance, 1.0)
        return self.put_back(self.guess(*(np.broadcast_to(value, (k, d)).copy() for value in (seen.mean, variance))))

    def first_guess(self, stats: Terms) -> Any:
        """The M-step, with a row of the whole columns blended into each component, so that none begins at the edge."""
        rows = stats.mass.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            each = [np.where(rows > 0, total.sum(axis=0) / rows, 0.0) for total in stats.sums]
        blended = replace(stats, mass=stats.mass + (rows > 0), sums=tuple(s + one for s, one in zip(stats.sums, each, strict=True)))
        return self.best(blended, self.anchor(*stats.mass.shape))

    def best(self, stats: Terms, params: Any) -> Any:
        """The M-step; where nothing was counted, as before."""
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            new = self.m_step(stats, params)
        if (stats.mass > 0).all():
            return new
        before, after = self.own(params), self.own(new)
        some = {p.name: stats.mass if p.axes else stats.mass.sum(axis=0, keepdims=True) for p in self.parameters}
        kept = {name: np.where(_like(some[name] > 0, value), value, before[name]) for name, value in after.items()}
        return self.made(params, kept, {})

    def update(self, stats: Terms, params: Any) -> Any:
        """The M-step; what is held, and what nothing belongs to, stays as it is."""
        return self.put_back(self.best(stats, params))


def _like(chosen: np.ndarray, value: np.ndarray) -> np.ndarray:
    return chosen.reshape(*chosen.shape, *(1,) * (value.ndim - 2))


@dataclass(frozen=True)
class PseudoRows(Prior):
    """Conjugate prior of a family with sufficient statistics: ``mass`` pseudo-rows whose terms have these means.

    Parameters
    ----------
    mass : float
        Pseudo-rows for each component.
    means : sequence of arrays (d,)
        Of each of the family's terms.
    name : str
        How summaries call it.
    """

    mass: float
    means: tuple[np.ndarray, ...]
    name: str = "pseudo-rows"

    def log_density(self, value: np.ndarray) -> np.ndarray:
        """All parameters have it together: see ``ExponentialFamily.log_prior``."""
        return np.zeros_like(value)

    def beside(self, stats: Terms) -> Terms:
        """Statistics with those of the pseudo-rows."""
        sums = tuple(total + self.mass * np.asarray(mean) for total, mean in zip(stats.sums, self.means, strict=True))
        return replace(stats, mass=stats.mass + self.mass, sums=sums)


@dataclass(frozen=True)
class ExponentialFamily(Columnwise):
    """Base of columns with log density sum_t eta_t(params) T_t(x) - A(params) + h(x).

    You implement ``parameters``, ``support``, ``natural``, ``terms`` (which see no parameters), ``sample``, ``base`` unless it is
    0, and ``m_step`` where it has a closed form. You get densities, an M-step by Newton's method, also given some of a cell's
    parameters, Fisher's identity, acceleration, and a prior that keeps components from collapsing.

    Parameters
    ----------
    prior : "weak", PseudoRows or None
        "weak": 2/n pseudo-rows for each component with the columns' own terms; it has no scale, and keeps a component from
        collapsing onto a value. None: maximum likelihood.
    fixed, start_values : mapping, optional

    References
    ----------
    Brown (1986), Fundamentals of Statistical Exponential Families. Derivatives along the imaginary axis: Squire and Trapp (1998),
    SIAM Review 40, 110-112.
    """

    prior: Any = "weak"

    limits: ClassVar[Mapping[str, tuple[float, float]]] = {}
    """Bounds of parameters that Newton's method would otherwise send to the edge of their domain, as for a constant column."""

    def __post_init__(self) -> None:
        good = self.prior is None or isinstance(self.prior, PseudoRows) or (isinstance(self.prior, str) and self.prior == "weak")
        if not good:
            raise ParameterError(f"prior={self.prior!r}: give 'weak', None or PseudoRows", parameter="prior")
        super().__post_init__()

    @classmethod
    def examples(cls) -> list[Self]:
        """With the default prior and without."""
        return [cls(), cls(None)]

    # --- what you implement -------------------------------------------------------------------------------------------

    @abstractmethod
    def natural(self, params: Any) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Natural parameters eta_t, one for each term, and A, (K, d) each; by functions that take complex numbers too."""

    def base(self, x: np.ndarray) -> np.ndarray | float:
        """h(x), the part of the log density in which no parameter occurs, (n, 1, d)."""
        return 0.0

    # --- what you get -------------------------------------------------------------------------------------------------

    def cell(self, params: Any, x: np.ndarray) -> np.ndarray:
        """sum_t eta_t T_t(x) - A + h(x)."""
        etas, normaliser = self.natural(params)
        out: Any = self.base(x) - normaliser
        for eta, term in zip(etas, self.terms(params, x), strict=True):
            out = out + eta * term
        return np.asarray(out)

    def ready(self, source: Source, k: int) -> Self:
        """Makes the prior concrete."""
        if self.prior != "weak" or isinstance(self.prior, PseudoRows):
            return self
        total: Any = None
        params = self.null(1, source.n_features)
        for block in source:
            weights = block.row_weights
            resp = np.ones((block.n, 1)) if weights is None else np.asarray(weights, dtype=np.float64)[:, None]
            here = self.stats_block(params, Block(block.x), resp)
            total = here if total is None else total + here
        rows = np.where(total.mass[0] > 0, total.mass[0], 1.0)
        if len(self.parameters) > 1 and not self.fixed:
            self._refuse_constant(source)
        return replace(self, prior=PseudoRows(2.0 / source.total_weight, tuple(s[0] / rows for s in total.sums), "weak prior"))

    def _refuse_constant(self, source: Source) -> None:
        """Raise DataError, naming the column, for one on whose only value a component would collapse."""
        summary = source.summary
        constant = np.flatnonzero((summary.weight > 0) & ~(summary.high > summary.low))
        if len(constant):
            j = int(constant[0])
            raise DataError(
                f"{source.columns.called(j)} is constant, and {self.called} would collapse onto its value; drop the column, "
                "or hold a parameter",
                column=source.columns[j].name,
            )

    @property
    def _pseudo(self) -> PseudoRows | None:
        if isinstance(self.prior, str):
            raise ParameterError(f"this {type(self).__name__} is not resolved: call resolve(source, k) first (fit does)")
        found: PseudoRows | None = self.prior
        return found

    def _posterior(self, stats: Terms) -> Terms:
        return stats if self._pseudo is None else self._pseudo.beside(stats)

    def m_step(self, stats: Terms, params: Any) -> Any:
        """By Newton's method, from the present parameters on."""
        return self._climbed(stats, params)

    def best(self, stats: Terms, params: Any) -> Any:
        """With the prior's pseudo-rows; of cells with some parameters held, the best of the others given these."""
        stats = self._posterior(stats)
        new = super().best(stats, params)
        held = [~np.isnan(self.held(name, value.shape)) for name, value in self.own(params).items()]
        some = np.logical_or.reduce(held) & ~np.logical_and.reduce(held)
        if not some.any():
            return new
        given, after = self.own(self._climbed(stats, params)), self.own(new)
        return self.made(params, {name: np.where(some, given[name], value) for name, value in after.items()}, {})

    def _climbed(self, stats: Terms, params: Any) -> Any:
        """The maximum over what is free, in the coordinates of the domains."""
        values = self.own(self.put_back(params))
        domains: list[Any] = [p.domain for p in self.parameters]
        free = np.array([np.isnan(self.held(name, value.shape)) for name, value in values.items()])

        def at(coordinates: Any) -> Any:
            named = zip(values, domains, coordinates, strict=True)
            return self.made(params, {name: domain.backward(c) for name, domain, c in named}, {})

        ends = [self.limits.get(name, (None, None)) for name in values]
        low, high = (
            np.array(
                [np.inf * sign if end[i] is None else domain.forward(end[i]) for domain, end in zip(domains, ends, strict=True)]
            )
            for i, sign in ((0, -1.0), (1, 1.0))
        )
        start = np.array([domain.forward(value) for domain, value in zip(domains, values.values(), strict=True)])
        return at(
            climb(lambda c: self._values(stats, at(c)), start, free & (stats.mass > 0), low[:, None, None], high[:, None, None])
        )

    def without_data(self, values: Any, d: int) -> Self:
        """Without a prior that would take its scale from the data."""
        return replace(self, fixed={}, start_values={}, prior=self.prior if isinstance(self.prior, PseudoRows) else None)

    @property
    def priors(self) -> dict[str, Prior]:
        """The parameters have theirs together: see ``log_prior``."""
        return {}

    def log_priors(self, params: Any) -> np.ndarray:
        """The pseudo-rows' log density without h, (K,). A column all of whose parameters are held adds nothing."""
        k, d = next(iter(self.own(params).values())).shape[:2]
        if self._pseudo is None:
            return np.zeros(k)
        nothing = Terms(np.zeros((k, d)), tuple(np.zeros((k, d)) for _ in self._pseudo.means))
        held = np.logical_and.reduce([~np.isnan(self.held(name, value.shape)) for name, value in self.own(params).items()])
        return np.asarray(np.where(held, 0.0, self._values(self._pseudo.beside(nothing), params)).sum(axis=1))

    def log_prior(self, params: Any) -> float:
        """Of all components."""
        return float(self.log_priors(params).sum())

    def own_away(self, params: Any) -> dict[str, np.ndarray]:
        """Parameters that ended at their ``limits``."""
        found = {}
        for name, (low, high) in self.limits.items():
            value = self.own(params)[name]
            ended = (value >= high).astype(np.float64) - (value <= low)
            found[name] = np.where(np.isnan(self.held(name, value.shape)), ended, 0.0)
        return found

    def remarks(self, params: Any) -> list[str]:
        """Of parameters that ended at their ``limits``."""
        values = self.own(params)
        return [
            f"{name} of component {k}, column {j}, ended at a bound, {values[name][k, j]:.3g}"
            for name, away in self.own_away(params).items()
            for k, j in np.argwhere(away).tolist()
        ]

    def priors_in_words(self) -> list[str]:
        """Name and weight."""
        prior = self.prior if isinstance(self.prior, PseudoRows) else None
        return [] if prior is None else [f"{prior.name}, {prior.mass:.3g} pseudo-rows"]

    def _values(self, stats: Terms, params: Any) -> np.ndarray:
        """sum_t eta_t sums_t - A mass, (K, d)."""
        etas, normaliser = self.natural(params)
        out: Any = -normaliser * stats.mass
        for eta, total in zip(etas, stats.sums, strict=True):
            out = out + np.where(total != 0, eta, 0.0) * total
        return np.asarray(out)

    def q(self, stats: Terms, params: Any) -> float:
        """Of all components and columns."""
        return float(self._values(stats, params).sum())

    def gradient(self, stats: Terms, params: Any) -> dict[str, np.ndarray]:
        """By a step along the imaginary axis, exact to the last digits; with the prior's."""
        return self._gradient(self._posterior(stats), self.own(params), params)

    def _gradient(self, stats: Terms, values: dict[str, np.ndarray], params: Any) -> dict[str, np.ndarray]:
        found = {}
        for name, value in values.items():
            scale = np.where(value != 0, np.abs(value), 1.0) * _STEP
            there = self.made(params, {**values, name: value + 1j * scale}, {})
            found[name] = self._values(stats, there).imag / scale
        return found

    def curvature(self, stats: Terms, params: Any) -> dict[str, np.ndarray]:
        """Minus the second derivatives; where these are not positive, the square of the first for each row."""
        stats, values = self._posterior(stats), self.own(params)
        first, found = self._gradient(stats, values, params), {}
        rows = np.where(stats.mass > 0, stats.mass, 1.0)
        for name, value in values.items():
            step = 1e-5 * np.where(value != 0, np.abs(value), 1.0)
            up, down = (self._gradient(stats, {**values, name: value + s}, params)[name] for s in (step, -step))
            found[name] = np.maximum((down - up) / (2.0 * step), first[name] ** 2 / rows)
        return found
