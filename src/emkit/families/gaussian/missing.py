"""Gaussian rows with missing cells: marginalised exactly in a fit, never imputed; filled in afterwards, where that is asked for.

Little and Rubin (2002), Statistical Analysis with Missing Data, section 11.2. In a fit with unrestricted covariances all patterns
of as many missing cells are taken at once: see ``holes``. Where a single pattern is wanted, ``Pattern`` has what it needs of each
component. With diagonal covariances a missing cell simply drops out.
"""

from collections.abc import Iterator

import numpy as np

from emkit.core.bayes import Pass, add_labels, log_sum_exp, posterior, slices
from emkit.core.block import Block
from emkit.families.gaussian.holes import Filled, Holes, distinct
from emkit.families.gaussian.params import GaussianParams, GaussianStats

_LOG_2PI = float(np.log(2.0 * np.pi))


def patterns(seen: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(which columns are observed, which rows those are) for each distinct pattern, in a fixed order."""
    first, inverse = distinct(seen)
    order = np.argsort(inverse, kind="stable")
    bounds = np.searchsorted(inverse[order], np.arange(len(first) + 1))
    for g, i in enumerate(first):
        yield np.flatnonzero(seen[i]), order[bounds[g] : bounds[g + 1]]


class Pattern:
    """What one pattern of observed columns needs of each component, factored once for all its rows."""

    def __init__(self, params: GaussianParams, observed: np.ndarray):
        d = params.means.shape[1]
        covariances = params.covariances
        self.means = params.means
        self.observed = observed
        self.missing = np.setdiff1d(np.arange(d), observed)
        o, m = self.observed, self.missing
        lower = np.linalg.cholesky(covariances[:, o[:, None], o])
        self.whitener = np.linalg.inv(lower) if len(o) else np.zeros((len(covariances), 0, 0))
        log_det = np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
        self.log_norm = -log_det - 0.5 * len(o) * _LOG_2PI
        # Regression of missing on observed columns: B = S_mo S_oo^-1; what it leaves: S_mm - B S_om.
        half = np.matmul(self.whitener, covariances[:, o[:, None], m])
        self.regression = np.matmul(np.swapaxes(half, 1, 2), self.whitener)
        self.residual = covariances[:, m[:, None], m] - np.matmul(np.swapaxes(half, 1, 2), half)

    def centre(self, x: np.ndarray) -> np.ndarray:
        """Observed cells minus the means, (K, n, o)."""
        o = self.observed
        return np.asarray(x[:, o].astype(np.float64, copy=False)[None] - self.means[:, None, o])

    def log_prob(self, centred: np.ndarray) -> np.ndarray:
        """(n, K)."""
        z = np.matmul(centred, np.swapaxes(self.whitener, 1, 2))
        return np.asarray((self.log_norm[:, None] - 0.5 * np.sum(z * z, axis=2)).T)

    def conditional_means(self, centred: np.ndarray, k: int | None = None) -> np.ndarray:
        """Of the missing cells under each component, (K, n, m), or under component ``k``, (n, m)."""
        if k is None:
            return np.asarray(self.means[:, None, self.missing] + np.matmul(centred, np.swapaxes(self.regression, 1, 2)))
        return np.asarray(self.means[k, self.missing] + centred[k] @ self.regression[k if len(self.regression) > 1 else 0].T)


def log_prob(params: GaussianParams, x: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Log density of the observed cells, (n, K); 0 for a row with none."""
    if params.covariances.ndim == 2:
        return _log_prob_diagonal(params, x, seen)
    out = np.empty((len(x), len(params.means)))
    for some in Holes.of(seen).by_count(len(params.means)):
        out[some.rows] = Filled(params, x[some.rows], some).log_prob()
    return out


def _log_prob_diagonal(params: GaussianParams, x: np.ndarray, seen: np.ndarray) -> np.ndarray:
    k, d = params.means.shape
    scales = np.broadcast_to(params.whitener.scales, (k, d))  # type: ignore[arg-type]
    filled = np.where(seen, x, 0.0).astype(np.float64)
    out = seen @ (np.log(scales) - 0.5 * _LOG_2PI).T
    for j in range(k):
        z = np.where(seen, (filled - params.means[j]) * scales[j], 0.0)
        out[:, j] -= 0.5 * np.einsum("nd,nd->n", z, z)
    return np.asarray(out)


def stats(
    params: GaussianParams,
    x: np.ndarray,
    resp: np.ndarray,
    seen: np.ndarray,
    with_second: bool,
) -> GaussianStats:
    """Expected moments about the current means."""
    first, second = _empty_moments(params, with_second)
    if params.covariances.ndim == 2:
        k, d = params.means.shape
        variances = np.broadcast_to(params.covariances, (k, d))
        absent = resp.T @ ~seen  # (K, d) mass with the cell missing
        for j in range(k):
            centred = np.where(seen, x - params.means[j], 0.0)
            first[j] = resp[:, j] @ centred
            if second is not None:
                square = resp[:, j] @ (centred * centred) + absent[j] * variances[j]
                second[j] = square if second.shape[1] == d else square.sum()
    else:
        for some in Holes.of(seen).by_count(len(params.means)):
            Filled(params, x[some.rows], some).add_moments(resp[some.rows], first, second)
    return GaussianStats(resp.sum(axis=0), first, second, params.means)


def joint_pass(params: GaussianParams, log_weights: np.ndarray, block: Block, with_second: bool) -> Pass:
    """A mixture's E-step over a block: each row is completed once for both halves of the work.

    Where ``log_weights`` is (S, K), those of S mixtures side by side, as in ``emkit.core.bayes.grouped_pass``.
    """
    x = np.asarray(block.x)
    first, second = _empty_moments(params, with_second)
    each = np.atleast_2d(log_weights)
    counts, total = np.zeros(log_weights.size), np.zeros(len(each))
    for some in _holes(block, x).by_count(log_weights.size):
        done = Filled(params, x[some.rows], some)
        joint = done.log_prob().reshape(-1, *each.shape) + each
        if block.labels is not None:
            joint = add_labels(joint[:, 0], block.labels[some.rows])[:, None]
        row = log_sum_exp(joint)
        resp = posterior(joint, row)
        if block.weights is None:
            total += row.sum(axis=0)
        else:
            weights = np.asarray(block.weights[some.rows], dtype=np.float64)
            total += np.sum(row[weights > 0] * weights[weights > 0, None], axis=0)
            resp *= weights[:, None, None]
        resp = resp.reshape(len(resp), -1)
        counts += resp.sum(axis=0)
        done.add_moments(resp, first, second)
    value = total if log_weights.ndim == 2 else float(total[0])
    return Pass(value, counts, GaussianStats(counts, first, second, params.means))


def _holes(block: Block, x: np.ndarray) -> Holes:
    """Where the holes of a block are, found once."""
    found = block.kept.get("holes")
    if found is None:
        found = block.kept["holes"] = Holes.of(~np.isnan(x))
    return found  # type: ignore[no-any-return]


def filled(params: GaussianParams, x: np.ndarray, resp: np.ndarray) -> np.ndarray:
    """Missing cells by sum_k resp_k (mu_m + S_mo S_oo^-1 (x_o - mu_o)), with the moments of component k: (n, d)."""
    out = np.array(x, dtype=np.float64)
    gone = np.isnan(out)
    for some in Holes.of(~gone).by_count(len(params.means)):
        if some.missing.shape[1]:
            rows, done = some.rows, Filled(params, out[some.rows], some)
            expected = np.einsum("nk,knd->nd", resp[rows], done.centred + params.means[:, None])
            out[rows] = np.where(gone[rows], expected, out[rows])
    return out


def drawn(params: GaussianParams, x: np.ndarray, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Missing cells drawn from their normal distribution given the row's component and observed cells: (n, d)."""
    out = np.array(x, dtype=np.float64)
    for observed, rows in patterns(~np.isnan(out)):
        if len(observed) == out.shape[1]:
            continue
        pattern = Pattern(params, observed)
        # A root of each residual covariance, which may be singular to the last digit.
        values, vectors = np.linalg.eigh(pattern.residual)
        roots = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        for k in range(len(params.means)):
            own = rows[component[rows] == k]
            for mine in (own[part] for part in slices(len(own), params.means.size)):
                mean = pattern.conditional_means(pattern.centre(out[mine]), k)
                noise = rng.standard_normal(mean.shape) @ roots[k if len(roots) > 1 else 0].T
                out[mine[:, None], pattern.missing] = mean + noise
    return out


def _empty_moments(params: GaussianParams, with_second: bool) -> tuple[np.ndarray, np.ndarray | None]:
    k, d = params.means.shape
    form = params.covariances.shape
    if len(form) == 2:
        form = (k, form[1])
    return np.zeros((k, d)), np.zeros(form) if with_second else None
