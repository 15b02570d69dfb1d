"""Settings of regressions, and what is made of them when the columns are known: places, units, priors, what is held."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, Self

import numpy as np

from emkit.core.block import Source
from emkit.core.checks import number, numbers, one_of
from emkit.core.columns import Columns
from emkit.core.errors import CollapseError, DataError, ParameterError
from emkit.core.family import Family
from emkit.core.parameters import Parameter, Positive
from emkit.core.records import Params
from emkit.families.regression.coefficients import Coefficients
from emkit.families.regression.columns import Places, SupportOfRegression, check_cells, placed
from emkit.families.regression.frame import Cells, Frame
from emkit.families.regression.quadratic import Penalty, directions, newton_step
from emkit.families.regression.responses import RESPONSES, Response

COLLAPSED = 1e-12
"""Of the response's variance: without a prior, a component as narrow as that has collapsed."""
_WEAK_RIDGE, _WEAK_ROWS = 0.1, 2.0  # pseudo-rows of the weak priors, divided by the number of rows


@dataclass(frozen=True)
class RegressionParams(Params):
    """``intercepts`` (K,), ``coefficients`` (K, q); ``variances`` (K,) or (1,) of normal responses, otherwise None."""

    intercepts: np.ndarray
    coefficients: np.ndarray
    variances: np.ndarray | None = None


@dataclass(frozen=True)
class ConfiguredRegression(Family):
    """What ``Regression`` is configured with; its parameters are documented there."""

    response: str = "gaussian"
    _: KW_ONLY
    on: Any = None
    target: Any = None
    offset: Any = None
    trials: Any = None
    ridge: Any = "weak"
    prior: Any = "weak"
    shared_variance: bool = False
    shared: Any = ()
    places: Places | None = field(default=None, repr=False)
    frame: Frame | None = field(default=None, repr=False)

    Params = RegressionParams

    def __post_init__(self) -> None:
        one_of(self.response, tuple(RESPONSES), "response")
        for name in ("on", "shared"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, (value,) if isinstance(value, str | int) else tuple(value))
        if not isinstance(self.ridge, str):
            ridge = numbers(self.ridge, "ridge")
            if ridge.ndim > 1 or (ridge < 0).any():
                raise ParameterError(f"ridge={self.ridge!r}: give 'weak', or pseudo-rows, at least 0", parameter="ridge")
            object.__setattr__(self, "ridge", ridge if ridge.ndim else float(ridge))
        elif self.ridge != "weak":
            raise ParameterError(f"ridge={self.ridge!r}: give 'weak', or a number of pseudo-rows", parameter="ridge")
        if self.prior is not None and self.prior != "weak":
            object.__setattr__(self, "prior", number(self.prior, "prior", "'weak', None or a number of pseudo-rows"))
        if self.trials is None and self.kind.takes_trials and self.places is None:
            raise ParameterError("a binomial response needs trials=, the column that holds their numbers", parameter="trials")
        if self.trials is not None and not self.kind.takes_trials:
            raise ParameterError(f"trials={self.trials!r}: only a binomial response has trials", parameter="trials")
        super().__post_init__()

    # --- what it is about ---------------------------------------------------------------------------------------------

    @property
    def kind(self) -> Response:
        """What its response is."""
        return RESPONSES[self.response]

    @property
    def parameters(self) -> tuple[Parameter, ...]:  # type: ignore[override]
        """Variances only of normal responses."""
        alike = () if self.places is None else self.places.shared
        found = (
            Parameter("intercepts", "K", Coefficients(alike[:1])),
            Parameter("coefficients", "K q", Coefficients(alike[1:])),
        )
        if not self.kind.has_variance:
            return found
        return (*found, Parameter("variances", "1" if self.shared_variance else "K", Positive()))

    @property
    def support(self) -> SupportOfRegression:  # type: ignore[override]
        """The response's in its column."""
        return SupportOfRegression(self.kind.support, self.places)

    @property
    def separable(self) -> bool:
        """Unless components share something."""
        return super().separable and not self.shared

    def over(self, columns: tuple[Any, ...]) -> tuple[Any, ...]:
        """These, and those that it names."""
        if self.places is not None:
            return columns
        named = [c for c in (self.target, *(self.on or ()), self.offset, self.trials) if c is not None]
        return (*columns, *(c for c in dict.fromkeys(named) if c not in columns))

    def given(self, columns: tuple[Any, ...]) -> tuple[Any, ...]:
        """All but the response."""
        at = self._among(columns).target
        return tuple(column for j, column in enumerate(columns) if j != at)

    def settled(self, columns: tuple[Any, ...]) -> Self:
        """With the places of its columns."""
        return replace(self, places=self._among(columns))

    def _among(self, columns: tuple[Any, ...]) -> Places:
        if self.places is not None:
            return self.places
        return placed(columns, self.target, self.on, self.offset, self.trials, self.shared)

    def _there(self, columns: Columns) -> Places:
        return self._among(tuple(columns.names) if columns.named else tuple(range(len(columns))))

    def check(self, source: Source) -> None:
        """The response is what it must be, and no covariate is missing beside one."""
        check_cells(source, self._there(source.columns), self.kind.support)

    def ready(self, source: Source, k: int) -> Self:
        """Finds its columns, their units, and the residual variance of one regression of all rows.

        Raises DataError for a constant normal response (less its offset, where it has one), unless its variances are fixed, and
        CollapseError where one line runs through all rows and no prior keeps variances up.
        """
        places = self._there(source.columns)
        frame = Frame.of(source, places, self.kind)
        rows, weak = max(frame.rows, 1.0), isinstance(self.ridge, str)
        ridge: Any = _WEAK_RIDGE / rows if weak else self.ridge
        if np.ndim(ridge) and len(ridge) != len(places.on):
            raise ParameterError(f"ridge has {len(ridge)} entries for {len(places.on)} covariates", parameter="ridge")
        prior = _WEAK_ROWS / rows if self.prior == "weak" else self.prior
        found = replace(self, places=places, frame=frame, ridge=ridge, prior=prior)
        if not self.kind.has_variance:
            return found
        if not frame.variance > 0:
            if "variances" not in self.fixed:
                name = source.columns.called(places.target)
                name += "" if places.offset is None else " less its offset"
                how = "is constant" if frame.rows else "has no observed cell"
                raise DataError(
                    f"{name} {how}: there is nothing to regress; drop it, or fix the variances",
                    column=source.columns[places.target].name,
                )
            return found
        pooled = found._pooled(source, places, frame)
        # The ridge's rows count among the residuals of a variance: where lines explain nearly all, slopes are large beside these.
        ridge = ridge * min(1.0, pooled / frame.variance) if weak else ridge
        return replace(found, ridge=ridge, frame=replace(frame, pooled=pooled))

    def _pooled(self, source: Source, places: Places, frame: Frame) -> float:
        """Residual variance of one regression of all rows, without bias; of so few rows that it fits all, the response's."""
        places = replace(places, shared=(False,) * (1 + len(places.on)))
        alone: Any = replace(self, fixed={}, start_values={}, shared=(), ridge=0.0, prior=None, places=places)
        anchor, stats = alone.anchor(1, source.n_features), None
        for block in source:
            weights = np.ones(block.n) if block.row_weights is None else np.asarray(block.row_weights, dtype=np.float64)
            here = alone.stats_block(anchor, block, weights[:, None])
            stats = here if stats is None else stats + here
        assert stats is not None
        left = float(stats.square[0] - 2.0 * stats.gain(stats.pivot + newton_step(stats, alone.penalty(1), None, np.ones(1)))[0])
        if left <= COLLAPSED * frame.rows * frame.variance:
            self._refuse_exact()
        spare = frame.rows - np.linalg.matrix_rank(stats.bends[0], tol=1e-11 * frame.rows, hermitian=True)
        if spare <= 0:
            return frame.variance
        return max(left / spare, COLLAPSED * frame.variance)  # a line through all rows is no reason for no spread at all

    def _refuse_exact(self) -> None:
        """Where one line runs through all rows, raise CollapseError if no prior keeps variances up: each component can be that."""
        if self.prior or np.any(np.asarray(self.ridge) > 0) or self.fixed:
            return
        raise CollapseError(
            "all rows lie on one line: the likelihood is unbounded there; use the default prior, or fix the variances"
        )

    @property
    def known(self) -> tuple[Places, Frame]:
        """Places and units. Raises ParameterError before they are resolved."""
        if self.places is None or self.frame is None:
            raise ParameterError("this Regression is not resolved: call resolve(source, k) first (fit does)")
        return self.places, self.frame

    def sizes(self, k: int, d: int) -> dict[str, int]:
        """As many covariates as columns, less the response, offset and trials."""
        q = d - 1 - sum(c is not None for c in (self.offset, self.trials))
        return {"K": k, "d": d, "q": q if self.places is None else len(self.places.on)}

    def columns_of(self, values: Mapping[str, Any]) -> int | None:
        """A covariate for each coefficient, the response, offset and trials."""
        shape = np.shape(values.get("coefficients", 0.0))
        return shape[1] + 1 + sum(c is not None for c in (self.offset, self.trials)) if len(shape) == 2 else None

    def without_data(self, values: Mapping[str, Any], d: int) -> Self:
        """The response first, then covariates, offset and trials, in units of their own, without priors that data would scale."""
        q = self.sizes(1, d)["q"]
        offset = None if self.offset is None else 1 + q
        trials = None if self.trials is None else 1 + q + (offset is not None)
        places = self.places or Places(0, tuple(range(1, 1 + q)), offset, trials, (False,) * (1 + q))
        frame = Frame.empty(q) if self.frame is None else self.frame
        return replace(self, fixed={}, start_values={}, places=places, frame=frame, ridge=0.0, prior=None)

    def _cells(self, x: Any) -> Cells:
        places, frame = self.known
        return Cells.of(x, places, frame)

    def _standard(self, params: RegressionParams) -> np.ndarray:
        return self.known[1].standard(params.intercepts, params.coefficients)

    def _with_response(self, x: Any) -> np.ndarray:
        """The rows with some response in each."""
        x = np.array(x, dtype=np.float64)
        x[:, self.known[0].target] = 0.0
        return x

    def penalty(self, k: int) -> Penalty:
        """The log prior of the slopes of K components."""
        _, frame = self.known
        weights = np.zeros((k, 1 + len(frame.centre)))
        weights[:, 1:] = self.ridge * frame.unit
        return Penalty(weights)

    def _along(self, k: int) -> np.ndarray | None:
        places, frame = self.known
        own = self.held("intercepts", (k,))[:, None], self.held("coefficients", (k, len(places.on)))
        return directions(~np.isnan(np.concatenate(own, axis=1)), np.array(places.shared), frame.centre, frame.scale)
