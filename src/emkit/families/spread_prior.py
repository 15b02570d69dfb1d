"""The weak prior of families with a parameter of spread that could run to zero."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from emkit.core.block import Source
from emkit.core.errors import CollapseError, DataError, ParameterError
from emkit.core.family import Family
from emkit.core.prior import Prior
from emkit.families.gaussian.prior import GaussianPrior, weak_prior

_COLLAPSED = 1e-12  # of a column's variance: without a prior, a component as narrow as that has collapsed onto a point


@dataclass(frozen=True)
class SpreadPrior(Family):
    """Base of families with a parameter of spread: variances, or scales whose squares are like these.

    Parameters
    ----------
    prior : "weak", GaussianPrior or None
        "weak": 2/n pseudo-observations with the columns' variances as their quartiles tell them, which keeps components from
        collapsing; the same as ``Gaussian``'s. None: maximum likelihood.
    fixed, start_values : mapping, optional
    """

    prior: Any = "weak"

    spread_name: ClassVar[str] = "variances"

    def __post_init__(self) -> None:
        good = self.prior is None or isinstance(self.prior, GaussianPrior) or (isinstance(self.prior, str) and self.prior == "weak")
        if not good:
            raise ParameterError(f"prior={self.prior!r}: give 'weak', None or a GaussianPrior", parameter="prior")
        super().__post_init__()

    @classmethod
    def examples(cls) -> list[Self]:
        """With the default prior and without."""
        return [cls(), cls(prior=None)]

    def spread_of(self, source: Source) -> np.ndarray:
        """The columns' own variances, robust, (d,)."""
        return self._resolved().spread

    def ready(self, source: Source, k: int) -> Self:
        """Makes the prior concrete. Raises DataError for a constant column, unless its spread is fixed or a prior is given."""
        if isinstance(self.prior, GaussianPrior):
            if self.prior.mean_mass > 0:
                raise ParameterError(f"{self.called} takes a GaussianPrior of spreads only: give mean_mass=0", parameter="prior")
            return replace(self, prior=self.prior.check(source.n_features))
        spread = self.spread_of(source)
        constant = np.flatnonzero(~(spread > 0))
        if len(constant) and self.spread_name not in self.fixed:
            name = source.columns.called(int(constant[0]))
            raise DataError(
                f"{name} is constant: its spread is zero, which no {type(self).__name__} can have; drop the column, fix the "
                f"{self.spread_name}, or give a GaussianPrior with a scale of its own",
                column=source.columns[int(constant[0])].name,
            )
        return self if self.prior is None else replace(self, prior=weak_prior(spread, source.total_weight))

    def without_data(self, values: Any, d: int) -> Self:
        """Without a prior that would take its scale from the data."""
        return replace(self, fixed={}, start_values={}, prior=self.prior if isinstance(self.prior, GaussianPrior) else None)

    @property
    def pseudo(self) -> tuple[float, np.ndarray | float]:
        """Pseudo-observations behind each variance, and their sum of squares (d,)."""
        if isinstance(self.prior, str):
            raise ParameterError(f"this {type(self).__name__} is not resolved: call resolve(source, k) first (fit does)")
        return (0.0, 0.0) if self.prior is None else (self.prior.mass, self.prior.diagonal)

    @property
    def priors(self) -> dict[str, Prior]:
        """The variances' stands in ``log_priors``."""
        return {}

    def log_prior(self, params: Any) -> float:
        """Of all components."""
        return float(self.log_priors(params).sum())

    def priors_in_words(self) -> list[str]:
        """Name and weight."""
        prior = self.prior if isinstance(self.prior, GaussianPrior) else None
        return [] if prior is None else [f"{prior.name} prior, {prior.mass:.3g} pseudo-observations"]

    @abstractmethod
    def variances_left(self, params: Any) -> np.ndarray:
        """Of each component and column the variance, given the other columns, (K, d)."""

    def narrowest(self, params: Any) -> np.ndarray | None:
        """What is left."""
        return self.variances_left(params)

    def refuse_collapse(self, params: Any) -> None:
        """Raise CollapseError where a spread has run to zero; beside a prior, where it is none, such as of a singular matrix."""
        floor = 0.0 if self.prior is not None or self.seen is None else _COLLAPSED * self._floor
        bad = ~(self.variances_left(params) > floor)
        if bad.any():
            raise CollapseError(
                f"component {int(np.argwhere(bad)[0][0])} has collapsed onto a value: the likelihood is unbounded there; "
                "use the default prior or fewer components"
            )

    @property
    def _floor(self) -> np.ndarray:
        """Variances of the columns, (d,), by which a collapse is told."""
        return self._resolved().spread
