"""Gaussians with posteriors over their means and precisions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.checks import numbers, one_of
from emkit.core.errors import CollapseError, ParameterError
from emkit.core.parameters import Parameter, Positive, Real
from emkit.core.records import Params
from emkit.core.support import Reals
from emkit.families.gaussian.family import Gaussian
from emkit.families.gaussian.params import GaussianParams, GaussianStats, products
from emkit.families.gaussian.shapes import COVARIANCE_TYPES, Covariance, Shape
from emkit.families.variational.posterior import VariationalFamily
from emkit.families.variational.wishart import Precisions

SHAPES = ("full", "tied", "diag", "spherical")
_PRIOR_SCALE = 1e-3  # of the columns' variances


class Above(Positive):
    """Numbers above ``low``; a single number stands for all. Coordinate: the logarithm of the distance."""

    def __init__(self, low: float):
        self.low, self.words = low, f"finite and above {low:g}"
        self.origin = low + 1.0

    def read(self, value: Any, shape: tuple[int, ...], name: str, parameter: str) -> np.ndarray:
        """A number, or an array."""
        array = numbers(value, name, finite=False, parameter=parameter)
        return super().read(np.broadcast_to(array, shape) if array.ndim == 0 else array, shape, name, parameter)

    def forward(self, value: np.ndarray) -> np.ndarray:
        """The logarithm of the distance."""
        return super().forward(value - self.low)

    def backward(self, coordinate: np.ndarray) -> np.ndarray:
        """The exponential, and ``low``."""
        return super().backward(coordinate) + self.low

    def rate(self, value: np.ndarray) -> np.ndarray:
        """The distance."""
        return value - self.low


class Whole(Real):
    """Rows (K, d) of numbers, each held whole, or free."""

    def check(self, value: np.ndarray, name: str, parameter: str) -> np.ndarray:
        """Nothing is held in part."""
        gone = np.isnan(value)
        if (gone.any(axis=1) & ~gone.all(axis=1)).any():
            raise ParameterError(f"{name} holds some NaN; a component's mean is held whole", parameter=parameter)
        return super().check(value, name, parameter)


@dataclass(frozen=True)
class NormalWishartParams(Params):
    """Posteriors: mean_k given its precision P ~ Normal(``means_posterior`` (K, d), (``beta_posterior`` (K,) P)^-1).

    P: see ``emkit.families.variational.wishart``, with ``dof_posterior`` (K or 1,) and ``scale_posterior`` in the form of
    ``GaussianParams.covariances``.
    """

    means_posterior: np.ndarray
    beta_posterior: np.ndarray
    dof_posterior: np.ndarray
    scale_posterior: np.ndarray

    @cached_property
    def point(self) -> GaussianParams:
        """The expected means, and the inverses of the expected precisions."""
        scale = self.scale_posterior
        return GaussianParams(self.means_posterior, scale / self.dof_posterior.reshape((-1,) + (1,) * (scale.ndim - 1)))


@dataclass(frozen=True)
class VariationalGaussian(VariationalFamily):
    """``Gaussian`` by variational Bayes: a normal posterior of each mean given its precision, a Wishart or gamma one of that.

    A row with some cells missing enters by its conditional mean and covariance, which have an optimal distribution of their own; a
    row without any adds nothing.

    Parameters
    ----------
    covariance_type : {"full", "tied", "diag", "spherical"}
        As in ``Gaussian``; precisions are Wishart (full, tied) or gamma distributed: ``emkit.families.variational.wishart``.
    means_prior : array (K, d) or (d,), optional
        Expected means. By default the columns' means.
    beta_prior : float or array (K,), optional
        How many rows these count as: given the precision P, a mean's is beta P. By default 1.
    dof_prior : float or array (K,), optional
        Degrees of freedom, above d - 1 (full, tied) or 0; a number for "tied". By default d.
    scale_prior : float or array, optional
        Inverse scale, in the shape of the covariances; the expected precision is dof / scale. A number stands for that in every
        column. By default a thousandth of the columns' variances, as their quartiles tell them.
    fixed, start_values : mapping, optional
        "means_posterior" (K, d), "beta_posterior" (K,), "dof_posterior" (K,), or one for "tied", and "scale_posterior". Means are
        held whole, scales only together with their degrees of freedom.

    References
    ----------
    Bishop (2006), Pattern Recognition and Machine Learning, section 10.2. Gruhl and Sick (2016), arXiv:1605.08618.
    """

    covariance_type: str = "full"
    means_prior: Any = None
    beta_prior: Any = None
    dof_prior: Any = None
    scale_prior: Any = None

    Params = NormalWishartParams
    support = Reals()

    def __post_init__(self) -> None:
        one_of(self.covariance_type, SHAPES, "covariance_type")
        super().__post_init__()

    @classmethod
    def examples(cls) -> list[Self]:
        """Each shape of covariance, with the default prior and with one of their own; fixed values, whole and in part."""
        nan, mean = np.nan, [[0.0, 1.0], [3.0, 2.0]]
        prior: Any = {"means_prior": mean, "beta_prior": [0.5, 2.0], "dof_prior": 4.0, "scale_prior": 2.0}
        held = {"means_posterior": [[0.0, 1.0], [nan, nan]], "dof_posterior": [5.0, nan]}
        matrices = [[[2.0, 0.5], [0.5, 1.0]], [[nan, nan], [nan, nan]]]
        return [
            *(cls(kind) for kind in SHAPES),
            *(cls(kind, **prior) for kind in SHAPES),
            cls("full", fixed={**held, "scale_posterior": matrices}),
            cls("tied", fixed={"dof_posterior": 9.0}),
            cls("diag", fixed=held),
            cls("spherical", fixed={"means_posterior": mean, "beta_posterior": [3.0, nan]}),
        ]

    @property
    def shape(self) -> Shape:
        """The covariance structure."""
        return COVARIANCE_TYPES[self.covariance_type]

    @property
    def plain(self) -> Gaussian:
        """``Gaussian``, without a prior."""
        return Gaussian(self.covariance_type, None, seen=self.seen)

    @property
    def in_words(self) -> str:
        """As "full Gaussian"."""
        return self.plain.in_words

    @property
    def parameters(self) -> tuple[Parameter, ...]:  # type: ignore[override]
        """Of the normal posteriors, and of those of the precisions."""
        least = 0.0 if self.seen is None else self._precisions(len(self.seen.mean)).least
        return (
            Parameter("means_posterior", "K d", Whole()),
            Parameter("beta_posterior", "K", Above(0.0)),
            Parameter("dof_posterior", "1" if self.shape.shared else "K", Above(least)),
            Parameter("scale_posterior", self.shape.letters, Covariance(self.shape)),
        )

    def _precisions(self, d: int) -> Precisions:
        return Precisions(self.shape, d)

    # --- the prior ----------------------------------------------------------------------------------------------------

    def ready(self, source: Source, k: int) -> Self:
        """Make the prior concrete.

        Raises
        ------
        DataError
            For a constant column, or one of values too close to each other to square, unless ``scale_prior`` is given.
        ParameterError
            Naming a prior of the wrong shape or outside its domain.
        """
        seen, d = self._resolved(), source.n_features
        replace(self.plain, seen=seen).refuse_columns(source, bounded=self.scale_prior is not None, remedy="give scale_prior")
        spread = self.shape.isotropic(_PRIOR_SCALE * np.where(seen.spread > 0, seen.spread, 1.0), k)
        defaults: dict[str, Any] = {"means": np.broadcast_to(seen.mean, (k, d)), "beta": 1.0, "dof": float(d), "scale": spread}
        found: dict[str, Any] = {}
        for parameter in self.parameters:
            name = parameter.name.replace("posterior", "prior")
            given, form = getattr(self, name), parameter.form({"K": k, "d": d})
            if given is None:
                found[name] = np.broadcast_to(defaults[name.removesuffix("_prior")], form).copy()
                continue
            if name == "means_prior" and np.shape(given) == (d,):
                given = np.broadcast_to(given, form)
            found[name] = replace(parameter, name=name).read(given, {"K": k, "d": d}, name, partial=False)
        return replace(self, **found)

    @property
    def _prior(self) -> NormalWishartParams:
        values = self.means_prior, self.beta_prior, self.dof_prior, self.scale_prior
        if self.seen is None or any(value is None for value in values):
            raise ParameterError("this VariationalGaussian is not resolved: call resolve(source, k) first (fit does)")
        return NormalWishartParams(*(np.asarray(value) for value in values))

    def shown_priors(self) -> dict[str, np.ndarray]:
        """``means_prior``, ``beta_prior``, ``dof_prior``, ``scale_prior``."""
        values = self.own(self._prior)
        return {p.name.replace("posterior", "prior"): p.show(values[p.name]) for p in self.parameters}

    def priors_in_words(self) -> list[str]:
        """A normal and a Wishart or gamma distribution."""
        return ["Normal of means", f"{'Wishart' if self.shape.matrix else 'Gamma'} of precisions"]

    def permuted(self, order: np.ndarray) -> Self:
        """The prior follows its components."""
        prior = self.permute(self._prior, order)
        changes: dict[str, Any] = {
            p.name.replace("posterior", "prior"): value for p, value in zip(self.parameters, _values(prior), strict=True)
        }
        return replace(super().permuted(order), **changes)

    # --- values -------------------------------------------------------------------------------------------------------

    def with_values(self, k: int, d: int) -> Self:
        """Read and checked; a scale is held only together with its degrees of freedom."""
        found = super().with_values(k, d)
        if "scale_posterior" in found.fixed:
            scale, dof = found.fixed["scale_posterior"], found.held("dof_posterior", (1 if self.shape.shared else k,))
            if (~np.isnan(scale).all(axis=tuple(range(1, scale.ndim))) & np.isnan(dof)).any():
                raise ParameterError("scale_posterior is held, but not its dof_posterior; hold both", parameter="scale_posterior")
        return found

    def unshown(self, values: Mapping[str, Any], k: int, d: int) -> Any:
        """Inverse of ``shown``."""
        params = super().unshown(values, k, d)
        Above(self._precisions(d).least).check(params.dof_posterior, "dof_posterior_", "dof_posterior")
        return params

    def without_data(self, values: Mapping[str, Any], d: int) -> Self:
        """Without a prior."""
        nothing: dict[str, Any] = dict.fromkeys(("means_prior", "beta_prior", "dof_prior", "scale_prior"))
        return replace(self, fixed={}, start_values={}, **nothing)

    def null(self, k: int, d: int) -> NormalWishartParams:
        """Means of 0, d + 1 degrees of freedom, unit scales."""
        shape = self.shape
        dof = np.full(1 if shape.shared else k, d + 1.0)
        return self.put_back(NormalWishartParams(np.zeros((k, d)), np.ones(k), dof, shape.isotropic(np.ones(d), k)))

    def anchor(self, k: int, d: int) -> NormalWishartParams:
        """The ordinary family's, as known as a row would make it."""
        point = self.plain.anchor(k, d)
        dof = np.full(len(point.covariances), d + 1.0)
        return NormalWishartParams(point.means, np.ones(k), dof, point.covariances * (d + 1.0))

    # --- E-step -------------------------------------------------------------------------------------------------------

    def at_the_mean(self, params: NormalWishartParams) -> GaussianParams:
        """The expected means, and the inverses of the expected precisions."""
        return params.point

    def _offsets(self, params: NormalWishartParams) -> np.ndarray:
        """What the expected log density has beside the log density at ``point``, (K,): Bishop (2006), eq. 10.64 and 10.65."""
        d = params.means_posterior.shape[1]
        return np.asarray(0.5 * self._precisions(d).shortfall(params.dof_posterior) - 0.5 * d / params.beta_posterior)

    def log_prob(self, params: NormalWishartParams, x: Any) -> np.ndarray:
        """Expected log density, (n, K). Missing cells are integrated out of its exponential; a row without cells has 0."""
        x = np.asarray(x)
        out = self.plain.log_prob(params.point, x) + self._offsets(params)
        out[np.isnan(x).all(axis=1)] = 0.0
        return np.asarray(out)

    def stats(self, params: NormalWishartParams, x: Any, resp: Any) -> GaussianStats:
        """Moments about the expected means."""
        x = np.asarray(x)
        seen = ~np.isnan(x).all(axis=1)
        found: GaussianStats = self.plain.stats(params.point, x, np.where(seen[:, None], resp, 0.0))
        return found

    def log_prob_block(self, params: NormalWishartParams, block: Block, out: np.ndarray | None = None) -> np.ndarray:
        """As the ordinary family's, which is by features or compiled."""
        found = self.plain.log_prob_block(params.point, block, out)
        found += self._offsets(params)
        if block.missing:
            found[np.isnan(block.x).all(axis=1)] = 0.0
        return found

    def stats_block(self, params: NormalWishartParams, block: Block, resp: np.ndarray) -> GaussianStats:
        """As the ordinary family's, which is by features or compiled."""
        if block.missing:
            resp = np.where(np.isnan(block.x).all(axis=1)[:, None], 0.0, resp)
        return self.plain.stats_block(params.point, block, resp)

    def compile(self, source: Source, k: int) -> None:
        """As the ordinary family."""
        self.plain.compile(source, k)

    # --- M-step -------------------------------------------------------------------------------------------------------

    def m_step(self, stats: GaussianStats, params: Any) -> NormalWishartParams:
        """The prior's counts and moments with the data's (Bishop 2006, eq. 10.60 to 10.63); held means enter the scales."""
        prior, beta = self._prior, self._prior.beta_posterior + stats.counts
        pull = stats.first + prior.beta_posterior[:, None] * (prior.means_posterior - stats.pivot)
        means = stats.pivot + pull / beta[:, None]
        held = self.held("means_posterior", means.shape)
        means = np.where(np.isnan(held), means, held)
        dof, scale = self._best(stats, means)
        fixed = self.held("dof_posterior", dof.shape)
        known = np.where(np.isnan(fixed), dof, fixed)
        scale = scale * (known / dof).reshape((-1,) + (1,) * (scale.ndim - 1))
        new = self.put_back(NormalWishartParams(means, beta, known, scale))
        self.refuse_collapse(new)
        return new

    def refuse_collapse(self, params: NormalWishartParams) -> None:
        """Raise CollapseError for scales that rounding leaves singular. The factors are made here, not by every thread."""
        bad = np.flatnonzero(~np.isfinite(params.point.whitener.log_norm))
        if len(bad):
            raise CollapseError(
                f"the scale of component {bad[0]} is singular to the last digit: far outliers, or rows far from means_prior, "
                "outweigh scale_prior by too much; look at them, raise scale_prior, or use a diagonal covariance_type"
            )

    def _best(self, stats: GaussianStats, means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Degrees of freedom and scales that go with these means."""
        prior, moments = self._prior, stats.about(means)
        assert moments.second is not None
        off = means - prior.means_posterior
        scatter = moments.second + products(prior.beta_posterior[:, None] * off, off, moments.second.shape)
        counts = stats.counts
        if self.shape.shared:
            counts, scatter = counts.sum(keepdims=True), scatter.sum(axis=0, keepdims=True)
        if self.shape.pooled:
            scatter = scatter / means.shape[1]
        scale = prior.scale_posterior + scatter
        if self.shape.matrix:
            scale = 0.5 * (scale + np.swapaxes(scale, 1, 2))
        return prior.dof_posterior + counts, scale

    def log_prior(self, params: NormalWishartParams) -> float:
        """Minus the divergence of the posteriors from the priors."""
        prior, p = self._prior, params
        d = p.means_posterior.shape[1]
        ratio = prior.beta_posterior / p.beta_posterior
        apart = prior.beta_posterior * p.point.whitener.squared_norm(p.means_posterior - prior.means_posterior)
        normal = 0.5 * (d * (ratio - np.log(ratio) - 1.0) + apart)
        precisions = self._precisions(d).divergence(p.dof_posterior, p.scale_posterior, prior.dof_posterior, prior.scale_posterior)
        return -float(normal.sum() + precisions.sum())

    def q(self, stats: GaussianStats, params: NormalWishartParams) -> float:
        """The expected log density of the rows that the statistics are of."""
        return float(self.plain.q(stats, params.point) + stats.counts @ np.broadcast_to(self._offsets(params), stats.counts.shape))

    def gradient(self, stats: GaussianStats, params: NormalWishartParams) -> dict[str, np.ndarray]:
        """Of the lower bound, from the posterior that would be the best: see ``m_step``."""
        p, d = params, params.means_posterior.shape[1]
        beta = self._prior.beta_posterior + stats.counts
        pull = stats.about(p.means_posterior).first + self._prior.beta_posterior[:, None] * (
            self._prior.means_posterior - p.means_posterior
        )
        dof, scale = self._best(stats, p.means_posterior)
        at, each, precisions = p.dof_posterior, (-1,) + (1,) * (scale.ndim - 1), p.point.whitener.precisions()
        means = precisions * pull if precisions.ndim == 2 else np.matmul(precisions, pull[:, :, None])[:, :, 0]
        inverse = precisions / at.reshape(each)
        per = d if self.shape.pooled else 1
        trace = per * (inverse * scale).sum(axis=tuple(range(1, scale.ndim)))
        off = at.reshape(each) * scale - dof.reshape(each) * p.scale_posterior
        slope = inverse @ off @ inverse if self.shape.matrix else inverse * off * inverse
        return {
            "means_posterior": means,
            "beta_posterior": 0.5 * d * (beta - p.beta_posterior) / p.beta_posterior**2,
            "dof_posterior": 0.5 * (dof - at) * self._precisions(d).psi_slope(at) + 0.5 * (d - trace),
            "scale_posterior": 0.5 * per * slope,
        }

    def curvature(self, stats: GaussianStats, params: NormalWishartParams) -> dict[str, np.ndarray]:
        """Of the lower bound, where these are the best: of scales, how many rows are behind them, as ``Covariance`` has it."""
        p, d = params, params.means_posterior.shape[1]
        counts = stats.counts.sum(keepdims=True) if self.shape.shared else stats.counts
        rows = (self._prior.dof_posterior + counts) * (d if self.shape.pooled else 1)
        each = (-1,) + (1,) * (p.scale_posterior.ndim - 1)
        return {
            "means_posterior": p.beta_posterior[:, None] * p.point.whitener.precisions_diagonal(),
            "beta_posterior": 0.5 * d / p.beta_posterior**2,
            "dof_posterior": 0.5 * self._precisions(d).psi_slope(p.dof_posterior),
            "scale_posterior": np.broadcast_to(rows.reshape(each), p.scale_posterior.shape),
        }


def _values(params: NormalWishartParams) -> tuple[np.ndarray, ...]:
    return params.means_posterior, params.beta_posterior, params.dof_posterior, params.scale_posterior
