"""What a Gaussian family is told, and what follows from it before any E-step: shapes, priors, defaults, names."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from emkit.core.block import Source
from emkit.core.checks import one_of
from emkit.core.columns import Columns
from emkit.core.errors import ParameterError
from emkit.core.family import Family
from emkit.core.parameters import Parameter, Real
from emkit.core.prior import Prior
from emkit.core.support import Reals
from emkit.families.gaussian.columns import refuse_columns
from emkit.families.gaussian.covariance_types import ALL_TYPES, allows
from emkit.families.gaussian.m_step import best_means, first_covariances
from emkit.families.gaussian.params import GaussianParams, GaussianStats
from emkit.families.gaussian.prior import GaussianPrior, NormalInverseWishart, weak_prior
from emkit.families.gaussian.shapes import Shape


@dataclass(frozen=True)
class GaussianConfiguration(Family):
    """Base of ``Gaussian``, which describes its settings."""

    covariance_type: str = "full"
    prior: Prior | str | None = "weak"
    reg_covar: float = 0.0
    group: int = field(default=0, kw_only=True, repr=False)

    Params = GaussianParams
    support = Reals()
    hierarchical = True
    on_arrays = True

    def __post_init__(self) -> None:
        one_of(self.covariance_type, ALL_TYPES, "covariance_type")
        good = self.prior is None or self.prior == "weak" or isinstance(self.prior, NormalInverseWishart | GaussianPrior)
        if not good:
            raise ParameterError(
                f"prior={self.prior!r}: give 'weak', None, a NormalInverseWishart or a GaussianPrior", parameter="prior"
            )
        if not (isinstance(self.reg_covar, int | float | np.number) and np.isfinite(self.reg_covar) and self.reg_covar >= 0):
            raise ParameterError(f"reg_covar={self.reg_covar!r}: give a nonnegative number", parameter="reg_covar")
        super().__post_init__()

    @classmethod
    def examples(cls) -> list[Self]:
        """Each shape of covariance; priors; fixed values, whole and in part."""
        from emkit.families.gaussian import examples

        return examples.examples(cls)

    @property
    def shape(self) -> Shape:
        """The covariance structure; ``group``, filled in by ``resolve``, says how many components have things in common."""
        return ALL_TYPES[self.covariance_type].of(self.group)

    @property
    def parameters(self) -> tuple[Parameter, ...]:  # type: ignore[override]
        """Means, and covariances of the chosen shape."""
        return (Parameter("means", "K d", Real()), Parameter("covariances", self.shape.letters, self.shape.domain))

    def blocks(self, columns: Columns) -> tuple[tuple[tuple[int, ...], Family], ...]:
        """Each column alone, if covariances are diagonal ones that components do not share."""
        each = self.covariance_type == "diag"
        return tuple(((j,), self) for j in range(len(columns))) if each else super().blocks(columns)

    @property
    def relatives(self) -> tuple[Self, ...]:
        """The plainest shape and the freest one, where correlations are free in part."""
        if not self.shape.matrix or self.has_values:
            return ()
        others = [kind for kind in ("tied", "full") if ALL_TYPES[kind].of(self.group) != self.shape]
        return tuple(replace(self, covariance_type=kind) for kind in others)

    def contains(self, other: Family) -> bool:
        """Gaussians of a more restricted covariance type, if nothing is held."""
        alike = type(other) is type(self) and not (self.fixed or other.fixed)
        return alike and allows(self.covariance_type, other.covariance_type)  # type: ignore[attr-defined]

    # --- resolving and starting ---------------------------------------------------------------------------------------

    def ready(self, source: Source, k: int) -> Self:
        """Make the prior concrete.

        Raises DataError for a constant column, unless its variance is fixed or a prior with a scale of its own bounds it, and for
        one of values too large or too close to each other to square.
        """
        seen = self._resolved()
        prior = self.prior.resolve(seen.mean) if isinstance(self.prior, NormalInverseWishart) else self.prior
        bounded = isinstance(prior, GaussianPrior) or self.reg_covar > 0
        self.refuse_columns(
            source, bounded=bounded, remedy="fix the covariances, or give reg_covar or a prior with a scale of its own"
        )
        if prior == "weak":  # quartiles, not the variance: a single far outlier would make a prior of its own size
            prior = weak_prior(seen.spread, source.total_weight)
        if self.reg_covar > 0:
            rows = source.total_weight / (1 if self.shape.shared else k)
            base = prior if isinstance(prior, GaussianPrior) else GaussianPrior(0.0, np.zeros(source.n_features), name="none")
            prior = base.beside(np.full(source.n_features, rows * float(self.reg_covar)), f"{base.name}, reg_covar")
        if isinstance(prior, GaussianPrior):
            prior.check(source.n_features)
        return replace(self, prior=prior, reg_covar=0.0, group=k)

    def refuse_columns(self, source: Source, *, bounded: bool, remedy: str) -> None:
        """See ``emkit.families.gaussian.columns``."""
        known = bounded or "covariances" in self.fixed
        refuse_columns(source, self._resolved(), pooled=self.shape.pooled, bounded=known, remedy=remedy)

    def without_data(self, values: Mapping[str, Any], d: int) -> Self:
        """Without a prior that would take its scale from the data."""
        prior = self.prior if isinstance(self.prior, GaussianPrior) else None
        return replace(self, fixed={}, start_values={}, prior=prior, reg_covar=0.0)

    def anchor(self, k: int, d: int) -> GaussianParams:
        """Every component at the columns' means, with their variances."""
        seen = self._resolved()
        variances = self.shape.isotropic(np.where(seen.spread > 0, seen.spread, 1.0), k)
        params = GaussianParams(np.broadcast_to(seen.mean, (k, d)).copy(), variances)
        return GaussianParams(self.start_values["means"], variances) if "means" in self.start_values else params

    def first_guess(self, stats: GaussianStats) -> GaussianParams:
        """From moments of a first partition."""
        k, d = stats.pivot.shape
        whole = self.anchor(k, d)
        means = np.asarray({**self.start_values}.get("means", best_means(stats, whole, self._prior, np.full((k, d), np.nan))))
        means = np.where(np.isnan(held := self.held("means", means.shape)), means, held)
        if self.is_held("covariances") or stats.second is None:
            return GaussianParams(means, whole.covariances)
        covariances = first_covariances(stats.about(means), whole.covariances, self._resolved().spread, self._prior, self.shape)
        return GaussianParams(means, covariances)

    @property
    def in_words(self) -> str:
        """As "full Gaussian"."""
        return f"{self.covariance_type} Gaussian"

    def mixture_in_words(self, k: int) -> str:
        """As "Gaussian mixture: 3 components, full covariance"."""
        return f"Gaussian mixture: {k} component{'s' * (k > 1)}, {self.covariance_type} covariance"

    def priors_in_words(self) -> list[str]:
        """Name and weight of the prior, unless what it is about is fixed."""
        prior = self._prior
        if prior is None:
            return []
        if self.is_held("covariances") and (prior.mean_mass == 0 or self.is_held("means")):
            return ["of no effect here: what it is about is fixed"]
        return [f"{prior.name}, {prior.mass:.3g} pseudo-observations"]

    @property
    def _prior(self) -> GaussianPrior | None:
        if self.prior is not None and not isinstance(self.prior, GaussianPrior):
            raise ParameterError("this Gaussian is not resolved: call resolve(source, k) first (fit does)")
        return self.prior
