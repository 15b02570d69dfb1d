"""Gaussian E-steps on arrays of any library that follows the array API, on whatever device they lie, such as torch tensors.

The twin of the compiled passes there. Rows are worked on in tiles and in their own width, so that nothing of size n x K is held;
sums over tiles are float64. Differences are taken from each component's own mean, as everywhere, so that no digits cancel. What
comes back are statistics, in host memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from array_api_compat import array_namespace, device, to_device

from emkit.core.bayes import Pass, weighted_sum
from emkit.core.block import Block
from emkit.core.errors import DataError
from emkit.families.gaussian.params import GaussianParams, GaussianStats
from emkit.families.gaussian.rounding import joint_constants, norm_of_rounded

_IN_CACHE, _ON_DEVICE = 2**18, 2**23
"""Rows times components times columns of a tile: what a CPU's caches hold, and what keeps busy other devices, slow to start."""
_RUN = 256  # rows whose products are added up in the data's own width; sums of these are added up in float64
_LEAST = {np.float64: -300.0, np.float32: -80.0}  # log responsibilities below which there is none: subnormal numbers are slow


@dataclass(frozen=True)
class Constants:
    """K Gaussians as a device has them, in the width of the data.

    Either ``scales`` (K or 1, 1, d or 1), one over standard deviations, or ``matrices`` (K or 1, d, d), transposed inverses of
    Cholesky factors. ``means`` and ``tails`` (K, 1, d) are together the means; float64 needs no tails. ``log_norm`` (K,) stays in
    host memory.
    """

    means: Any
    tails: Any
    scales: Any
    matrices: Any
    log_norm: np.ndarray

    @classmethod
    def of(cls, params: GaussianParams, x: Any, width: Any) -> Self:
        """Sent to where ``x`` is once for each hypothesis."""
        key = ("constants", str(device(x)), width)
        found: Self | None = params.kept.get(key)
        if found is None:
            found = params.kept[key] = cls._sent(params, x, width)
        return found

    @classmethod
    def _sent(cls, params: GaussianParams, x: Any, width: Any) -> Self:
        def there(a: np.ndarray) -> Any:
            return send(np.array(a, dtype=width, order="C"), x)  # a copy: torch warns of arrays that cannot be written to

        whitener, (k, d) = params.whitener, params.means.shape
        log_norm, tails = np.broadcast_to(whitener.log_norm, (k,)), None
        sharp = whitener.scales if whitener.scales is not None else whitener.matrices
        assert sharp is not None
        if width == np.float32:
            tails = there(params.float32[1][:, None, :])
            log_norm = norm_of_rounded(log_norm, sharp, d if sharp.ndim == 2 and sharp.shape[1] == 1 else 1)
        scales = there(sharp[:, None, :]) if sharp.ndim == 2 else None
        matrices = there(np.swapaxes(sharp, 1, 2)) if sharp.ndim == 3 else None
        return cls(there(params.means[:, None, :]), tails, scales, matrices, log_norm)

    def centred(self, x: Any) -> Any:
        """Rows (t, d) less each mean, (K, t, d)."""
        found = x[None, :, :] - self.means
        return found if self.tails is None else found - self.tails

    def squares(self, centred: Any) -> Any:
        """Squared distances from the means in standard deviations, (K, t)."""
        xp = array_namespace(centred)
        z = centred * self.scales if self.matrices is None else xp.matmul(centred, self.matrices)
        return xp.sum(z * z, axis=-1)


def send(a: np.ndarray, x: Any) -> Any:
    """An array of host memory where ``x`` is."""
    return array_namespace(x).asarray(a, device=device(x))


def fetch(a: Any) -> np.ndarray:
    """An array in host memory."""
    return np.asarray(to_device(a, "cpu") if "cpu" not in str(device(a)).lower() else a)


def width_of(x: Any) -> Any:
    """NumPy's float32 or float64, as the array has it."""
    return np.float32 if x.dtype == array_namespace(x).float32 else np.float64


def array_pass(
    params: GaussianParams,
    log_weights: np.ndarray,
    block: Block,
    with_second: bool,
    *,
    rows: bool = False,
    responsibilities: bool = False,
) -> Pass:
    """The twin of ``emkit.core.bayes.sliced_pass``, without labels; where ``log_weights`` is (S, K), that of ``grouped_pass``."""
    if block.labels is not None:
        raise DataError("labels beside rows on a device: give the rows in host memory")
    x, width = block.x, width_of(block.x)
    constants, rule = Constants.of(params, x, width), _Rule.of(params, log_weights, x, width)
    sums = _Sums(params, x, with_second)
    n, (k, _) = block.n, params.means.shape
    each_row = np.empty(n if rows or responsibilities else 0)
    out_resp = np.empty((n, k)) if responsibilities else None
    for part in _tiles(x, k):
        centred = constants.centred(x[part])
        resp, row = rule.bayes(constants.squares(centred))
        if out_resp is not None:
            out_resp[part] = fetch(resp).T
        if rows or responsibilities:
            each_row[part] = fetch(row)
        else:
            sums.add(centred, resp, row, None if block.weights is None else block.weights[part])
    if rows or responsibilities:
        total = weighted_sum(each_row, None if block.weights is None else fetch(block.weights))
        return Pass(total, rows=each_row if rows else None, responsibilities=out_resp)
    total, stats = sums.found()
    return Pass(total, stats.counts, stats)


def array_log_prob(params: GaussianParams, x: Any, out: np.ndarray) -> np.ndarray:
    """Log densities of all rows under all components, (n, K), in host memory, in ``out``: an HMM's emissions."""
    constants = Constants.of(params, x, width_of(x))
    log_norm = send(constants.log_norm[:, None].astype(width_of(x)), x)
    for part in _tiles(x, len(params.means)):
        out[part] = fetch(log_norm - 0.5 * constants.squares(constants.centred(x[part]))).T
    return out


def array_stats(params: GaussianParams, x: Any, resp: np.ndarray, with_second: bool) -> GaussianStats:
    """Moments of rows with responsibilities (n, K) that lie in host memory."""
    constants, sums = Constants.of(params, x, width_of(x)), _Sums(params, x, with_second)
    for part in _tiles(x, len(params.means)):
        here = send(np.ascontiguousarray(resp[part].T, dtype=width_of(x)), x)
        sums.add(constants.centred(x[part]), here, here[0, :], None)
    return sums.found()[1]


def _tiles(x: Any, k: int) -> Iterator[slice]:
    """Rows in tiles: a function of shapes and of the kind of device alone."""
    n, d = x.shape
    cells = _IN_CACHE if "cpu" in str(device(x)).lower() else _ON_DEVICE
    rows = max(cells // (k * d), 128)
    return (slice(begin, min(begin + rows, n)) for begin in range(0, n, rows))


@dataclass(frozen=True)
class _Rule:
    """Bayes' rule for S mixtures of K components: log constants (S K, 1), and what each row gets in float64, (S, 1).

    Log responsibilities under ``least`` (1,) are none: smaller numbers are slow, and so is their exponential.
    """

    constants: Any
    base: Any
    least: Any
    mixtures: int
    single: bool

    @classmethod
    def of(cls, params: GaussianParams, log_weights: np.ndarray, x: Any, width: Any) -> Self:
        log_norm = Constants.of(params, x, width).log_norm
        each = log_weights.reshape(-1, log_weights.shape[-1])
        made = [joint_constants(w, n, width) for w, n in zip(each, log_norm.reshape(each.shape), strict=True)]
        constants, base = np.concatenate([c for c, _ in made])[:, None], np.array([[b] for _, b in made])
        least = np.full(1, _LEAST[width], width)
        return cls(send(constants, x), send(base, x), send(least, x), len(each), log_weights.ndim == 1)

    def bayes(self, squares: Any) -> tuple[Any, Any]:
        """Responsibilities (S K, t) and log-likelihoods (S, t), of one mixture (t,); the latter in float64."""
        xp = array_namespace(squares)
        joint = xp.reshape(self.constants - 0.5 * squares, (self.mixtures, -1, squares.shape[1]))
        peak = xp.max(joint, axis=1, keepdims=True)
        peak = xp.where(xp.isfinite(peak), peak, xp.zeros_like(peak))
        shifted = joint - peak
        resp = xp.where(shifted > self.least, xp.exp(xp.maximum(shifted, self.least)), xp.zeros_like(shifted))
        total = xp.sum(resp, axis=1, keepdims=True)
        # A row so far away that no component has a density there has responsibilities of zero, and -inf.
        resp = resp / xp.where(total > 0, total, xp.ones_like(total))
        row = xp.astype(peak, xp.float64) + xp.log(xp.astype(total, xp.float64))
        row = row[:, 0, :] + self.base
        return xp.reshape(resp, squares.shape), row[0, :] if self.single else row


class _Sums:
    """What tiles add up to, on the device, in float64."""

    def __init__(self, params: GaussianParams, x: Any, with_second: bool):
        self.params, self.with_second = params, with_second
        self.k, self.d = params.means.shape
        self.form = params.covariances.shape
        self.xp = array_namespace(x)
        self.totals: list[Any] | None = None

    def add(self, centred: Any, resp: Any, row: Any, weights: Any) -> None:
        """A tile's log-likelihood, counts, first and second moments."""
        xp = self.xp
        if weights is not None:  # a row of no weight may have -inf
            row = xp.where(weights > 0, row, xp.zeros_like(row)) * xp.astype(weights, xp.float64)
            resp = resp * xp.astype(weights, resp.dtype)
        weighted = resp[:, :, None] * centred
        # First moments nearly vanish near an optimum, so they are summed in float64 within tiles, too.
        here = [xp.sum(row, axis=-1), xp.sum(resp, axis=1, dtype=xp.float64), xp.sum(weighted, axis=1, dtype=xp.float64)]
        if self.with_second:
            here.append(self._second(weighted, centred))
        self.totals = here if self.totals is None else [a + b for a, b in zip(self.totals, here, strict=True)]

    def _second(self, weighted: Any, centred: Any) -> Any:
        xp, form = self.xp, self.form
        if len(form) == 2:
            found = xp.astype(xp.sum(weighted * centred, axis=1), xp.float64)
            return found if form[1] == self.d else xp.sum(found, axis=1, keepdims=True)
        if form[0] < self.k:  # all components' rows as one
            weighted, centred = (xp.reshape(a, (1, -1, self.d)) for a in (weighted, centred))
        # Some libraries add up the products of a long column one after the other: in float32 five digits were left of 40,000 rows.
        many, total = weighted.shape[1] - weighted.shape[1] % _RUN, None
        for part, run in ((slice(0, many), _RUN), (slice(many, None), weighted.shape[1] - many)):
            if run and weighted[:, part, :].shape[1]:
                a, b = (xp.reshape(z[:, part, :], (len(z), -1, run, self.d)) for z in (weighted, centred))
                found = xp.sum(xp.matmul(xp.matrix_transpose(a), b), axis=1, dtype=xp.float64)
                total = found if total is None else total + found
        return total

    def found(self) -> tuple[Any, GaussianStats]:
        """Log-likelihood, (S,) of several mixtures, and the statistics, in host memory."""
        assert self.totals is not None
        total, counts, first, *second = (fetch(a) for a in self.totals)
        stats = GaussianStats(counts, first, second[0] if second else None, self.params.means)
        return total if total.ndim else float(total), stats
