"""Multivariate normal distributions with six shapes of covariance; also the NumPy twin of ``emkit.kernels.gaussian``."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from array_api_compat import array_namespace, is_numpy_array

from emkit.core import compiled as policy
from emkit.core.block import Block, Source
from emkit.core.errors import CollapseError, DataError, ParameterError
from emkit.core.model import Family, Pass, sliced_pass
from emkit.core.prior import Prior
from emkit.families.gaussian import missing
from emkit.families.gaussian.params import GaussianParams, GaussianStats, products
from emkit.families.gaussian.prior import GaussianPrior, NormalInverseWishart, weak_prior
from emkit.families.gaussian.shapes import COVARIANCE_TYPES, Shape, check_covariances
from emkit.families.given import name_of, numbers, refuse_unknown, row_each

_LOG_2PI = float(np.log(2.0 * np.pi))
# Without a prior, a variance this small beside its column's is a component that has collapsed onto a point.
_COLLAPSED = 1e-12


@dataclass(frozen=True)
class Gaussian(Family[GaussianParams, GaussianStats]):
    """Normal distributions with means (K, d) and covariances of a chosen shape.

    Parameters
    ----------
    covariance_type : {"full", "tied", "diag", "spherical", "tied-diag", "tied-spherical"}
        full: each component its own matrix; tied: one matrix for all; diag: own variances, no correlation; spherical: one own
        variance; tied-diag, tied-spherical: the same, shared by all components.
    prior : "weak", NormalInverseWishart, GaussianPrior or None
        "weak" (default): 2/n pseudo-observations with the columns' variances as their quartiles tell them, which keeps components from collapsing. None:
        maximum likelihood.
    fixed : mapping, optional
        "means" (K, d) and/or "covariances": held at these values and not counted as free. Covariances in the shape scikit-learn
        uses for the type, or a number: that variance for every column.
    start_values : mapping, optional
        The same keys: starting values.
    """

    covariance_type: str = "full"
    prior: Prior | str | None = "weak"
    fixed: Mapping[str, Any] = field(default_factory=dict)
    start_values: Mapping[str, Any] = field(default_factory=dict)
    column_mean: np.ndarray | None = None
    column_variance: np.ndarray | None = None
    column_spread: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.covariance_type not in COVARIANCE_TYPES:
            raise ParameterError(
                f"covariance_type={self.covariance_type!r}: choose one of {', '.join(map(repr, COVARIANCE_TYPES))}"
            )
        refuse_unknown(self.fixed, self.start_values, ("means", "covariances"), "a Gaussian")
        if isinstance(self.prior, str) and self.prior != "weak":
            raise ParameterError(f"prior={self.prior!r}: give 'weak', None, or a NormalInverseWishart")

    @property
    def shape(self) -> Shape:
        """The covariance structure."""
        return COVARIANCE_TYPES[self.covariance_type]

    # --- resolving and starting -------------------------------------------------------------------------------------

    def resolve(self, source: Source, k: int) -> Self:
        """Make the prior concrete, check fixed and starting values, remember the columns' scales.

        Raises
        ------
        DataError
            For a constant column, unless its variance is fixed or a prior of your own bounds it.
        ParameterError
            For values of the wrong shape, and covariances that are not positive definite.
        """
        d = source.n_features
        mean, variance = source.moments()
        if np.isinf(variance).any() or not np.isfinite(mean).all():
            j = int(np.flatnonzero(np.isinf(variance) | ~np.isfinite(mean))[0])
            raise DataError(f"column {source.columns[j]!r} holds values too large to square; give it in larger units")
        prior = self.prior
        if isinstance(prior, NormalInverseWishart):
            prior = prior.resolve(mean)
        elif prior is not None and not isinstance(prior, GaussianPrior | str):
            raise ParameterError(f"prior={prior!r} is not a prior of a Gaussian")
        if isinstance(prior, GaussianPrior) and prior.scatter.shape not in ((d,), (d, d)):
            raise ParameterError(f"prior scatter has shape {prior.scatter.shape}, expected ({d}, {d})")
        if "covariances" not in self.fixed and not isinstance(prior, GaussianPrior):
            self._refuse_constant(source, variance)
        # Quartiles, not the variance: a single far outlier would make a prior of its own size.
        spread = source.spreads()
        if prior == "weak":
            prior = weak_prior(spread, source.total_weight)
        return replace(
            self,
            prior=prior,
            column_mean=mean,
            column_variance=variance,
            column_spread=spread,
            fixed={key: self._check(key, value, k, d, "fixed") for key, value in self.fixed.items()},
            start_values={key: self._check(key, value, k, d, "start") for key, value in self.start_values.items()},
        )

    def _refuse_constant(self, source: Source, variance: np.ndarray) -> None:
        total = variance.sum() if self.shape.pooled else variance
        if np.all(total > 0):
            return
        j = int(np.flatnonzero(~(variance > 0))[0])
        raise DataError(
            f"column {source.columns[j]!r} is constant: its variance is zero, which no Gaussian can have; "
            "drop the column, or fix the covariances, or give a prior with a scale of its own"
        )

    def _check(self, key: str, value: Any, k: int, d: int, where: str) -> np.ndarray:
        name = name_of(key, where)
        if key == "covariances":
            return check_covariances(numbers(value, name), self.shape, k, d, name)
        return row_each(value, k, d, name)

    def null_params(self, k: int, n_features: int) -> GaussianParams:
        """Standard normals."""
        return GaussianParams(np.zeros((k, n_features)), self.shape.identity(k, n_features))

    def start(self, stats: GaussianStats | None, source: Source, k: int) -> GaussianParams:
        """From moments of a first partition; without one, every component gets the columns' means and variances."""
        given = {**self.start_values, **self.fixed}
        d = source.n_features
        assert self.column_mean is not None and self.column_spread is not None
        whole = GaussianParams(
            np.broadcast_to(self.column_mean, (k, d)).copy(),
            self.shape.isotropic(np.where(self.column_spread > 0, self.column_spread, 1.0), k),
        )
        means = whole.means if stats is None else self._means(stats, whole)
        means = np.asarray(given.get("means", means))
        if "covariances" in given:
            return GaussianParams(means, given["covariances"])
        if stats is None:
            return GaussianParams(means, whole.covariances)
        # A first guess may hold a single row, or rows on a line: blend in one row's worth of the columns' own variances.
        blend = GaussianPrior(1.0, self.column_spread if self.column_spread.sum() > 0 else np.ones(d))
        moments = stats.about(means)
        return GaussianParams(means, self._covariances(moments, GaussianParams(means, whole.covariances), blend))

    def embed(self, x: Any) -> np.ndarray:
        """Rows in units of each column's standard deviation; a missing cell sits at the column's mean."""
        assert self.column_mean is not None and self.column_variance is not None
        scale = np.sqrt(np.where(self.column_variance > 0, self.column_variance, 1.0))
        return np.nan_to_num((np.asarray(x, dtype=np.float64) - self.column_mean) / scale, nan=0.0)

    # --- E-step -----------------------------------------------------------------------------------------------------

    def log_prob(self, params: GaussianParams, x: Any) -> Any:
        """Log density of each row under each component, (n, K). NaN cells are marginalised exactly."""
        if is_numpy_array(x):
            seen = ~np.isnan(x)
            if not seen.all():
                return missing.log_prob(params, x, seen)
        xp = array_namespace(x)
        x = xp.astype(x, xp.float64)
        whitener = params.whitener
        k, d = params.means.shape
        constant = xp.asarray(np.broadcast_to(whitener.log_norm, (k,)).copy())
        if whitener.scales is not None:
            scales = xp.asarray(np.broadcast_to(whitener.scales, (k, d)).copy())
            z = (x[None, :, :] - xp.asarray(params.means)[:, None, :]) * scales[:, None, :]
        else:
            centred = x[None, :, :] - xp.asarray(params.means)[:, None, :]
            z = xp.matmul(centred, xp.matrix_transpose(xp.asarray(whitener.matrices)))
        return xp.matrix_transpose(constant[:, None] - 0.5 * xp.sum(z * z, axis=-1))

    def stats(self, params: GaussianParams, x: Any, resp: Any) -> GaussianStats:
        """Moments about the current means; a missing cell enters by its conditional mean, and its conditional covariance is added."""
        if is_numpy_array(x):
            seen = ~np.isnan(x)
            if not seen.all():
                return missing.stats(params, x, resp, seen, self._with_second)
        xp = array_namespace(x)
        x = xp.astype(x, xp.float64)
        r = xp.matrix_transpose(xp.astype(resp, xp.float64))  # (K, n)
        centred = x[None, :, :] - xp.asarray(params.means)[:, None, :]
        weighted = r[:, :, None] * centred
        first = xp.sum(weighted, axis=1)
        second = None
        if self._with_second:
            if params.covariances.ndim == 2:
                second = xp.sum(weighted * centred, axis=1)
                if params.covariances.shape[1] == 1 and second.shape[1] > 1:
                    second = xp.sum(second, axis=1, keepdims=True)
            else:
                second = xp.matmul(xp.matrix_transpose(weighted), centred)
                if params.covariances.shape[0] == 1 and second.shape[0] > 1:
                    second = xp.sum(second, axis=0, keepdims=True)
        return GaussianStats(xp.sum(r, axis=1), first, second, params.means)

    @property
    def _with_second(self) -> bool:
        return "covariances" not in self.fixed

    def joint_pass(
        self,
        params: GaussianParams,
        log_weights: np.ndarray,
        block: Block,
        *,
        rows: bool = False,
        responsibilities: bool = False,
    ) -> Pass[GaussianStats]:
        """A mixture's E-step: the compiled pass when the block is large, the NumPy twin below that and where cells are missing."""
        if block.missing:
            if responsibilities or rows or params.covariances.ndim == 2:
                return sliced_pass(self, params, log_weights, block, rows=rows, responsibilities=responsibilities)
            return missing.joint_pass(self, params, log_weights, block)
        if not worth_compiling(max(block.n, block.source_rows), *params.means.shape):
            return sliced_pass(self, params, log_weights, block, rows=rows, responsibilities=responsibilities)
        from emkit.families.gaussian.compiled import compiled_pass

        return compiled_pass(params, log_weights, block, self._with_second, rows=rows, responsibilities=responsibilities)

    def log_prob_block(self, params: GaussianParams, block: Block, out: np.ndarray | None = None) -> np.ndarray:
        """Compiled where the data are large and complete."""
        if block.missing or not worth_compiling(max(block.n, block.source_rows), *params.means.shape):
            return super().log_prob_block(params, block, out)
        from emkit.families.gaussian.compiled import compiled_log_prob

        return compiled_log_prob(params, block.x, out)

    def stats_block(self, params: GaussianParams, block: Block, resp: np.ndarray) -> GaussianStats:
        """Compiled where the data are large and complete."""
        if block.missing or not worth_compiling(max(block.n, block.source_rows), *params.means.shape):
            return super().stats_block(params, block, resp)
        from emkit.families.gaussian.compiled import compiled_stats

        return compiled_stats(params, block.x, resp, self._with_second)

    def compile(self, source: Source, k: int) -> None:
        """Load or compile the pass that the first block will use."""
        block = next(iter(source))
        if worth_compiling(source.n_rows, k, source.n_features):
            from emkit.families.gaussian.compiled import compiled_pass

            params = self.null_params(k, source.n_features)
            tiny = Block(np.zeros((1, source.n_features), dtype=block.x.dtype))
            compiled_pass(params, np.zeros(k), tiny, self._with_second)

    # --- M-step -----------------------------------------------------------------------------------------------------

    def m_step(self, stats: GaussianStats, params: GaussianParams) -> GaussianParams:
        """Closed-form maximum of the expected log posterior. A component that nothing belongs to stays where it is.

        Raises
        ------
        CollapseError
            Without a prior, when a covariance has become singular.
        """
        means = np.asarray(self.fixed["means"]) if "means" in self.fixed else self._means(stats, params)
        if "covariances" in self.fixed:
            new = GaussianParams(means, np.asarray(self.fixed["covariances"]))
        else:
            new = GaussianParams(means, self._covariances(stats.about(means), params, self._prior))
            self._refuse_collapse(new)
        return new

    @property
    def _prior(self) -> GaussianPrior | None:
        if self.prior is not None and not isinstance(self.prior, GaussianPrior):
            raise ParameterError("this Gaussian is not resolved: call resolve(source, k) first (fit does)")
        return self.prior

    def _means(self, stats: GaussianStats, params: GaussianParams) -> np.ndarray:
        prior = self._prior
        total, first = stats.counts[:, None], stats.first
        if prior is not None and prior.mean_mass > 0 and prior.mean is not None:
            total = total + prior.mean_mass
            first = first + prior.mean_mass * (prior.mean - stats.pivot)
        with np.errstate(invalid="ignore", divide="ignore"):
            shift = np.where(total > 0, first / total, params.means - stats.pivot)
        return np.asarray(stats.pivot + shift)

    def _covariances(self, moments: GaussianStats, params: GaussianParams, prior: GaussianPrior | None) -> np.ndarray:
        """Scatter about the new means over counts, both with the prior's pseudo-observations. ``moments`` are about the new means."""
        scatter, counts = moments.second, moments.counts
        assert scatter is not None
        d = moments.pivot.shape[1]
        form = params.covariances.shape
        if prior is not None:
            pulled = prior.mean_mass > 0 and prior.mean is not None
            if pulled:
                off = moments.pivot - prior.mean
                scatter = scatter + prior.mean_mass * products(off, off, scatter.shape)
                counts = counts + 1.0
            if form[0] == 1:
                scatter, counts = scatter.sum(axis=0, keepdims=True), counts.sum(keepdims=True)
            counts = counts + prior.mass
            if scatter.ndim == 3:
                scatter = scatter + prior.matrix
            elif scatter.shape[1] == d:
                scatter = scatter + prior.diagonal
            else:
                scatter = scatter + prior.diagonal.sum()
        elif form[0] == 1:
            scatter, counts = scatter.sum(axis=0, keepdims=True), counts.sum(keepdims=True)
        if len(form) == 2 and form[1] == 1:
            scatter = scatter.sum(axis=1, keepdims=True)
            counts = counts * d
        total = counts.reshape((-1,) + (1,) * (len(form) - 1))
        with np.errstate(invalid="ignore", divide="ignore"):
            new = np.where(total > 0, scatter / total, params.covariances)
        return np.asarray(0.5 * (new + np.swapaxes(new, 1, 2)) if new.ndim == 3 else new)

    def _refuse_collapse(self, params: GaussianParams) -> None:
        """Touches the whitener, so that it is computed once, here, and not by every thread."""
        whitener = params.whitener
        bad = ~np.isfinite(np.broadcast_to(whitener.log_norm, (len(params.means),)))
        if self.prior is None and self.column_spread is not None and not bad.any():
            # The variance left in a column given the others, beside the column's own.
            left = 1.0 / whitener.precisions_diagonal()
            scale = self.column_spread if left.shape[1] > 1 else self.column_spread.mean(keepdims=True)
            bad = np.broadcast_to((left < _COLLAPSED * scale).any(axis=1), bad.shape)
        if bad.any():
            which = ", ".join(str(i) for i in np.flatnonzero(bad))
            raise CollapseError(
                f"the covariance of component {which} is singular: the likelihood is unbounded there; "
                "use the default prior, fewer components, or a simpler covariance_type"
            )

    # --- the rest of the contract -----------------------------------------------------------------------------------

    def log_prior(self, params: GaussianParams) -> float:
        """Up to the normalising constant; see ``GaussianPrior``. Fixed parameters add nothing."""
        prior = self._prior
        if prior is None:
            return 0.0
        whitener = params.whitener
        k, d = params.means.shape
        half_log_det = np.broadcast_to(-whitener.log_norm - 0.5 * d * _LOG_2PI, (k,))
        total = 0.0
        if "covariances" not in self.fixed:
            distinct = half_log_det[: len(params.covariances)]
            total -= float(prior.mass * distinct.sum() + 0.5 * whitener.trace_of(prior.scatter).sum())
        if prior.mean_mass > 0 and prior.mean is not None:
            if "covariances" not in self.fixed:
                total -= float(half_log_det.sum())
            if not {"means", "covariances"} <= set(self.fixed):
                total -= 0.5 * prior.mean_mass * float(whitener.squared_norm(params.means - prior.mean).sum())
        return total

    def sample(self, params: GaussianParams, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One row for each entry of ``component``."""
        k, d = params.means.shape
        z = rng.standard_normal((len(component), d))
        if params.covariances.ndim == 2:
            scale = np.sqrt(np.broadcast_to(params.covariances, (k, d)))
            return np.asarray(params.means[component] + z * scale[component])
        out = np.empty_like(z)
        lower = np.linalg.cholesky(params.covariances)
        for j in range(k):
            mine = component == j
            out[mine] = params.means[j] + z[mine] @ lower[j if len(lower) > 1 else 0].T
        return out

    def n_free(self, params: GaussianParams) -> int:
        """Means K d, and the free entries of the covariances; none of what is fixed."""
        k, d = params.means.shape
        return ("means" not in self.fixed) * k * d + ("covariances" not in self.fixed) * self.shape.n_free(k, d)

    def pack(self, params: GaussianParams) -> np.ndarray:
        """Free means as they are; variances by their log, matrices by their Cholesky factor with the log of its diagonal."""
        parts = []
        if "means" not in self.fixed:
            parts.append(params.means.ravel())
        if "covariances" not in self.fixed:
            if params.covariances.ndim == 2:
                parts.append(np.log(params.covariances).ravel())
            else:
                lower = np.linalg.cholesky(params.covariances)
                i, j = np.tril_indices(lower.shape[-1])
                entries = lower[:, i, j]
                parts.append(np.where(i == j, np.log(np.where(i == j, entries, 1.0)), entries).ravel())
        return np.concatenate(parts) if parts else np.zeros(0)

    def unpack(self, vector: np.ndarray, like: GaussianParams) -> GaussianParams:
        """Inverse of ``pack``."""
        k, d = like.means.shape
        means, covariances, at = like.means, like.covariances, 0
        if "means" not in self.fixed:
            means, at = vector[: k * d].reshape(k, d), k * d
        if "covariances" not in self.fixed:
            if covariances.ndim == 2:
                covariances = np.exp(vector[at:]).reshape(covariances.shape)
            else:
                i, j = np.tril_indices(d)
                entries = vector[at:].reshape(len(covariances), len(i))
                lower = np.zeros_like(covariances)
                lower[:, i, j] = np.where(i == j, np.exp(np.where(i == j, entries, 0.0)), entries)
                covariances = lower @ np.swapaxes(lower, 1, 2)
        return GaussianParams(means, covariances)

    def permute(self, params: GaussianParams, order: np.ndarray) -> GaussianParams:
        """Relabelled; a shared covariance stays as it is."""
        covariances = params.covariances if self.shape.shared else params.covariances[order]
        return GaussianParams(params.means[order], covariances)


def worth_compiling(n: int, k: int, d: int) -> bool:
    """Whether one E-step over a block is long enough for the compiled pass. A function of the data's shape alone, never of the machine."""
    return policy.worth_compiling(n * k * (10.0 + 4.0 * d + 0.5 * d * d))
