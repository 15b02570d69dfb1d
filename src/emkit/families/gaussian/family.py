"""Multivariate normal distributions with fourteen shapes of covariance; also the NumPy twin of ``emkit.kernels.gaussian``."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_numpy_array

from emkit.core.bayes import Pass
from emkit.core.block import Block, Source
from emkit.core.errors import CollapseError
from emkit.core.prior import Prior
from emkit.families.gaussian import expected, missing
from emkit.families.gaussian.arrays import array_log_prob, array_pass, array_stats
from emkit.families.gaussian.configuration import GaussianConfiguration
from emkit.families.gaussian.features import product_log_prob, product_pass, product_stats
from emkit.families.gaussian.m_step import best_covariances, best_means
from emkit.families.gaussian.marginal import complete_marginal
from emkit.families.gaussian.params import GaussianParams, GaussianStats, moments_of_columns
from emkit.families.gaussian.road import expansion_of, road
from emkit.families.gaussian.shapes import factor
from emkit.families.gaussian.slivers import conditional_variances, floored, slivers

_COLLAPSED = 1e-12  # of a column's variance: without a prior, a component as narrow as that has collapsed onto a point


@dataclass(frozen=True)
class Gaussian(GaussianConfiguration):
    """Normal distributions with means (K, d) and covariances of a chosen shape.

    Parameters
    ----------
    covariance_type : str
        full: each component its own matrix; tied: one matrix for all; diag: own variances, no correlation; spherical: one own
        variance; tied-diag, tied-spherical: the same, shared; or a name of mclust's, as in ``GaussianMixture``.
    prior : "weak", NormalInverseWishart, GaussianPrior or None
        "weak" (default): 2/n pseudo-observations with the columns' variances as their quartiles tell them, which keeps
        components from collapsing. None: maximum likelihood.
    reg_covar : float
        scikit-learn's regularisation, as a prior beside ``prior``: pseudo-observations of this variance in every column, a
        component of average size having as many as it has rows, so that about ``reg_covar`` is added to each variance. In
        squared units of the columns.
    fixed, start_values : mapping, optional
        "means" (K, d) and/or "covariances": in the shape scikit-learn uses for the type, or a number: that variance for every
        column.
    """

    # --- E-step -------------------------------------------------------------------------------------------------------

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
        """Moments about the current means; a missing cell enters by its conditional mean and covariance."""
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
        return not self.is_held("covariances")

    def joint_pass(
        self, params: GaussianParams, log_weights: np.ndarray, block: Block, *, rows: bool = False, responsibilities: bool = False
    ) -> Pass:
        """A mixture's E-step: by features or compiled (see ``road``); the NumPy twin where cells are missing, and with labels.

        Of rows that are no NumPy array ``array_pass`` takes its place, where they lie.
        """
        what = {"rows": rows, "responsibilities": responsibilities}
        if not block.in_numpy:
            return array_pass(params, log_weights, block, self._with_second, **what)
        if block.missing and params.covariances.ndim == 3 and not (rows or responsibilities):
            return missing.joint_pass(params, log_weights, block, self._with_second)
        taken, made = (None, False) if block.labels is not None else road(params, block, log_weights)
        if taken is not None:
            return product_pass(taken, log_weights, block, self._with_second, **what)
        if not made:
            return self.plain_pass(params, log_weights, block, **what)
        from emkit.families.gaussian.compiled import compiled_pass

        return compiled_pass(params, log_weights, block, self._with_second, **what)

    def side_by_side(self, params: GaussianParams, log_weights: np.ndarray, block: Block) -> Pass:
        """By features, where the data are complete and digits enough last: no more is lost than adding up the rows costs anyway."""
        if not block.in_numpy:
            return array_pass(params, log_weights, block, True)
        if block.missing and params.covariances.ndim == 3:
            return missing.joint_pass(params, log_weights, block, True)
        taken = expansion_of(params, block)
        if taken is not None and taken.lasts(log_weights, 64.0 * np.sqrt(max(block.n, block.source_rows))):
            return product_pass(taken, log_weights, block, True)
        return super().side_by_side(params, log_weights, block)

    def log_prob_block(self, params: GaussianParams, block: Block, out: np.ndarray | None = None) -> np.ndarray:
        """By features or compiled, where the data are complete."""
        if not block.in_numpy:
            return array_log_prob(params, block.x, np.empty((block.n, len(params.means))) if out is None else out)
        taken, made = road(params, block)
        if taken is not None:
            return product_log_prob(taken, out)
        if not made:
            return super().log_prob_block(params, block, out)
        from emkit.families.gaussian.compiled import compiled_log_prob

        return compiled_log_prob(params, block.x, out)

    def stats_block(self, params: GaussianParams, block: Block, resp: np.ndarray) -> GaussianStats:
        """By features or compiled, where the data are complete."""
        if not block.in_numpy:
            return array_stats(params, block.x, resp, self._with_second)
        taken, made = road(params, block)
        if taken is not None:
            return product_stats(taken, resp, self._with_second)
        if not made:
            return super().stats_block(params, block, resp)  # type: ignore[no-any-return]
        from emkit.families.gaussian.compiled import compiled_stats

        return compiled_stats(params, block.x, resp, self._with_second)

    def compile(self, source: Source, k: int) -> None:
        """Load or compile the pass that the first block will use."""
        block = next(iter(source))
        if not block.in_numpy:
            return
        if block.missing or block.source_rows < source.n_rows:  # other blocks may be complete
            block = replace(block, missing=False, source_rows=source.n_rows)
        params = self.null(k, source.n_features) if self.seen is None else self.anchor(k, source.n_features)
        if road(params, block)[1]:
            from emkit.families.gaussian.compiled import compiled_pass

            tiny = Block(np.zeros((1, source.n_features), dtype=block.x.dtype))
            compiled_pass(params, np.zeros(k), tiny, self._with_second)

    # --- M-step -------------------------------------------------------------------------------------------------------

    def m_step(self, stats: GaussianStats, params: GaussianParams) -> GaussianParams:
        """Closed-form maximum of the expected log posterior. A component that nothing belongs to stays where it is.

        Held means enter the covariances: both come back with what is held in its place.

        Raises
        ------
        CollapseError
            Without a prior, when a covariance has become singular.
        """
        means = best_means(stats, params, self._prior, self.held("means", params.means.shape))
        held = self.held("covariances", params.covariances.shape)
        if self.is_held("covariances"):
            return GaussianParams(means, held)
        covariances = best_covariances(stats.about(means), params, self._prior, self.shape)
        new = GaussianParams(means, np.where(np.isnan(held), covariances, held) if "covariances" in self.fixed else covariances)
        self.refuse_collapse(new)
        return new

    def update(self, stats: GaussianStats, params: GaussianParams) -> GaussianParams:
        """The M-step: it has what is held in its place already, and its whitener is worth keeping."""
        return self.m_step(stats, params)

    def refuse_collapse(self, params: GaussianParams) -> None:
        """Touches the whitener, so that it is computed once, here, and not by every thread."""
        whitener = params.whitener
        finite = np.isfinite(whitener.log_norm)
        if finite.all() and (self.prior is not None or self.seen is None):
            return
        bad = ~finite
        if self.prior is None and self.seen is not None and not bad.any():
            # The variance left in a column given the others, beside the column's own.
            left = 1.0 / whitener.precisions_diagonal()
            scale = self.seen.spread if left.shape[1] > 1 else self.seen.spread.mean(keepdims=True)
            bad = (left < _COLLAPSED * scale).any(axis=1)
        if bad.any():
            which = ", ".join(str(i) for i in np.flatnonzero(np.broadcast_to(bad, (len(params.means),))))
            raise CollapseError(
                f"the covariance of component {which} is singular: the likelihood is unbounded there; "
                "use the default prior, fewer components, or a simpler covariance_type"
            )

    # --- densities ----------------------------------------------------------------------------------------------------

    def log_prior(self, params: GaussianParams) -> float:
        """Up to the normalising constant; see ``GaussianPrior``. Fixed parameters add nothing."""
        if self._prior is None:
            return 0.0
        spreads, means = self._prior.densities(params, not self.is_held("means"), not self.is_held("covariances"))
        return float(spreads.sum()) + float(means.sum())

    def log_priors(self, params: GaussianParams) -> np.ndarray:
        """As ``log_prior``; each component has a covariance of its own."""
        return np.zeros(len(params.means)) if self._prior is None else np.add(*self._prior.densities(params, True, True))

    @property
    def priors(self) -> dict[str, Prior]:
        """Means and covariances have theirs together: see ``log_prior``."""
        return {}

    def q(self, stats: GaussianStats, params: GaussianParams) -> float:
        """Sum of counts log_norm - tr(scatter about the means S^-1) / 2."""
        return expected.value(stats, params)

    def complete_marginal(self, stats: GaussianStats, params: GaussianParams) -> float | None:
        """Of the shapes without a decomposition: see ``emkit.families.gaussian.marginal``."""
        if self.fixed:
            return None
        return complete_marginal(stats, params, self._prior, self._resolved(), self.covariance_type)

    def gradient(self, stats: GaussianStats, params: GaussianParams) -> dict[str, np.ndarray]:
        """With the log prior's."""
        return expected.gradient(stats, params, self._prior)

    def curvature(self, stats: GaussianStats, params: GaussianParams) -> dict[str, np.ndarray]:
        """With the prior's pseudo-observations."""
        return expected.curvature(stats, params, self._prior, self.shape)

    def normal_columns(self, params: GaussianParams) -> tuple[np.ndarray, np.ndarray] | None:
        """Of all shapes without correlations."""
        return None if params.covariances.ndim == 3 and params.means.shape[1] > 1 else self.moments(params)

    def normal_stats(
        self, params: GaussianParams, counts: np.ndarray, mass: np.ndarray, first: np.ndarray, second: np.ndarray
    ) -> GaussianStats:
        """A missing cell enters by its mean and its variance."""
        return moments_of_columns(params, counts, mass, first, second, self._with_second)

    def moments(self, params: GaussianParams) -> tuple[np.ndarray, np.ndarray]:
        """Means, and diagonals of the covariances."""
        c = params.covariances
        flat = np.diagonal(c, axis1=1, axis2=2) if c.ndim == 3 else c
        return params.means, np.broadcast_to(flat, params.means.shape)

    def narrowest(self, params: GaussianParams) -> np.ndarray:
        """Conditional variances: 1 / the diagonal of the inverse covariance."""
        return np.broadcast_to(conditional_variances(params), params.means.shape)

    def filled(self, params: GaussianParams, x: np.ndarray, resp: np.ndarray) -> np.ndarray:
        """Conditional means given the observed cells."""
        return super().filled(params, x, resp) if params.covariances.ndim == 2 else missing.filled(params, x, resp)

    def drawn(self, params: GaussianParams, x: np.ndarray, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """From the conditional normal distributions given the observed cells."""
        if params.covariances.ndim == 2:
            return super().drawn(params, x, component, rng)
        return missing.drawn(params, x, component, rng)

    def slivers(self, params: GaussianParams, counts: np.ndarray) -> dict[int, str]:
        """Those with few rows, and the far thinner ones: see ``emkit.families.gaussian.slivers``."""
        return slivers(self, params, counts, self._prior)

    def floored(self, params: GaussianParams, counts: np.ndarray) -> tuple[int, ...]:
        """See ``emkit.families.gaussian.slivers``."""
        return floored(params, np.full(len(counts), counts.sum()) if self.shape.shared else counts, self._prior)

    def cdf(self, params: GaussianParams, x: np.ndarray, *, upper: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """The normal distribution function."""
        from scipy.special import ndtr

        z = (x - params.means[:, 0]) / np.sqrt(np.asarray(params.covariances, dtype=np.float64).reshape(-1))
        at = ndtr(-z if upper else z)
        return at, at

    def sample(self, params: GaussianParams, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One row for each entry of ``component``."""
        k, d = params.means.shape
        z = rng.standard_normal((len(component), d))
        if params.covariances.ndim == 2:
            scale = np.sqrt(np.broadcast_to(params.covariances, (k, d)))
            return np.asarray(params.means[component] + z * scale[component])
        out, lower = np.empty_like(z), factor(params.covariances)
        for j in range(k):
            mine = component == j
            out[mine] = params.means[j] + z[mine] @ lower[j if len(lower) > 1 else 0].T
        return out
