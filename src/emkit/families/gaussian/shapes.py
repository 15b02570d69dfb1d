"""The shapes a Gaussian covariance can take, and what whitens a row under each."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from emkit.core.checks import numbers
from emkit.core.errors import ParameterError
from emkit.core.parameters import Domain

_LOG_2PI = float(np.log(2.0 * np.pi))
_WIDE = 8  # columns


@dataclass(frozen=True)
class Shape:
    """A covariance structure.

    ``shared``: one for all components. ``pooled``: one variance for all columns. ``matrix``: with correlations.
    """

    shared: bool
    pooled: bool
    matrix: bool

    apart: ClassVar[bool] = True
    """Whether each distinct covariance is free of the others."""

    @property
    def domain(self) -> "Covariance":
        """Checks and coordinates."""
        return Covariance(self)

    def of(self, k: int) -> "Shape":
        """The same for mixtures of ``k`` components, several of which may stand side by side."""
        return self

    def estimate(self, scatter: np.ndarray, counts: np.ndarray, old: np.ndarray) -> np.ndarray:
        """The M-step: what lowers sum_k counts_k log|S_k| + tr(scatter_k S_k^-1) from ``old``, here to its minimum.

        All three have the form of the covariances, counts shaped to divide by. Where nothing is counted, ``old`` stays.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            new = np.where(counts > 0, scatter / counts, old)
        return np.asarray(0.5 * (new + np.swapaxes(new, 1, 2)) if new.ndim == 3 else new)

    @property
    def letters(self) -> str:
        """The internal array's shape in letters: K or 1, then d d, d or 1."""
        return f"{'1' if self.shared else 'K'} {'d d' if self.matrix else '1' if self.pooled else 'd'}"

    def form(self, k: int, d: int) -> tuple[int, ...]:
        """Internal array shape: (K or 1, d, d), (K or 1, d) or (K or 1, 1)."""
        first = 1 if self.shared else k
        return (first, d, d) if self.matrix else (first, 1 if self.pooled else d)

    def isotropic(self, variances: np.ndarray, k: int) -> np.ndarray:
        """Uncorrelated columns with the given variances (d,), in internal form; pooled shapes take their mean."""
        d = len(variances)
        form = self.form(k, d)
        if self.matrix:
            return np.broadcast_to(np.diag(variances), form).copy()
        return np.broadcast_to(variances.mean() if self.pooled else variances, form).copy()


COVARIANCE_TYPES = {
    "full": Shape(shared=False, pooled=False, matrix=True),
    "tied": Shape(shared=True, pooled=False, matrix=True),
    "diag": Shape(shared=False, pooled=False, matrix=False),
    "spherical": Shape(shared=False, pooled=True, matrix=False),
    "tied-diag": Shape(shared=True, pooled=False, matrix=False),
    "tied-spherical": Shape(shared=True, pooled=True, matrix=False),
}


@lru_cache(maxsize=64)
def tril_indices(d: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the entries of a lower triangle, row by row; not to be written to."""
    return np.tril_indices(d)


class Covariance(Domain):
    """Covariances of one shape: each matrix or vector of variances is held whole or is free.

    Coordinates: logarithms of variances; of matrices the Cholesky factor, with logarithms on its diagonal. Information about a
    covariance is given as the number of rows behind it: what they say follows from the value.
    """

    def __init__(self, shape: Shape):
        self.shape = shape
        self.scale = "matrix" if shape.matrix else "log"

    def read(self, value: Any, shape: tuple[int, ...], name: str, parameter: str) -> np.ndarray:
        """As scikit-learn has it for the type; a number means that variance for every column of every component."""
        array = numbers(value, name, finite=False, parameter=parameter)
        if array.ndim == 0:
            array = np.broadcast_to(array * np.eye(shape[-1]) if self.shape.matrix else array, shape).copy()
        return super().read(array, shape, name, parameter)

    def expected(self, shape: tuple[int, ...]) -> str:
        """Without the axes that always have length 1."""
        single = (self.shape.shared, *((False, False) if self.shape.matrix else (self.shape.pooled,)))
        return f"{tuple(n for n, fixed in zip(shape, single, strict=True) if not fixed)} (or a single number)"

    def check(self, value: np.ndarray, name: str, parameter: str) -> np.ndarray:
        """Positive variances; matrices symmetric and positive definite."""
        if not self.shape.matrix:
            given = value[~np.isnan(value)]
            if not (given > 0).all():
                raise ParameterError(f"{name}: every variance must be positive, found {given.min():g}", parameter=parameter)
            return value
        for i, matrix in enumerate(value):
            if np.isnan(matrix).all():
                continue
            if np.isnan(matrix).any():
                raise ParameterError(f"{name}: matrix {i} holds some NaN; a covariance matrix is given whole", parameter=parameter)
            if not np.allclose(matrix, matrix.T, rtol=1e-8, atol=1e-12 * np.abs(matrix).max()):
                raise ParameterError(f"{name}: matrix {i} is not symmetric", parameter=parameter)
            if not (np.diag(matrix) > 0).all() or not np.isfinite(whiten(matrix[None], len(matrix)).log_norm).all():
                raise ParameterError(f"{name}: matrix {i} is not positive definite", parameter=parameter)
        return value

    def null(self, shape: tuple[int, ...]) -> np.ndarray:
        """Unit variances."""
        return np.broadcast_to(np.eye(shape[-1]) if self.shape.matrix else np.ones(shape), shape).copy()

    def n_free(self, held: np.ndarray) -> int:
        """Entries of variances, or of the lower triangles of matrices."""
        if not self.shape.matrix:
            return int(np.isnan(held).sum())
        d = held.shape[-1]
        return int(np.isnan(held[:, 0, 0]).sum()) * (d * (d + 1) // 2)

    def pack(self, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Logarithms, or Cholesky factors row by row."""
        if not self.shape.matrix:
            return np.asarray(np.log(value[np.isnan(held)]))
        lower = factor(value[np.isnan(held[:, 0, 0])])
        i, j = tril_indices(value.shape[-1])
        entries = lower[:, i, j]
        return np.asarray(np.where(i == j, np.log(np.where(i == j, entries, 1.0)), entries).ravel())

    def unpack(self, vector: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, int]:
        """Inverse of ``pack``."""
        out = np.array(held, dtype=np.float64)
        used = self.n_free(held)
        if not self.shape.matrix:
            out[np.isnan(held)] = np.exp(vector[:used])
            return out, used
        free = np.isnan(held[:, 0, 0])
        i, j = tril_indices(held.shape[-1])
        entries = np.asarray(vector[:used]).reshape(-1, len(i))
        lower = np.zeros((len(entries), *held.shape[1:]))
        lower[:, i, j] = np.where(i == j, np.exp(np.where(i == j, entries, 0.0)), entries)
        out[free] = lower @ np.swapaxes(lower, 1, 2)
        return out, used

    def pull(self, gradient: np.ndarray, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Of matrices S = L L^T with derivatives G: 2 (G L)_ij, times L_ii on the diagonal."""
        if not self.shape.matrix:
            return np.asarray((gradient * value)[np.isnan(held)])
        free = np.isnan(held[:, 0, 0])
        lower = factor(value[free])
        i, j = tril_indices(value.shape[-1])
        return np.asarray(((2.0 * gradient[free] @ lower)[:, i, j] * np.where(i == j, lower[:, i, j], 1.0)).ravel())

    def pull_information(self, information: np.ndarray, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Of n rows: n / 2 about the logarithm of a variance; n (S^-1)_ii about L_ij, n ((S^-1)_ii L_ii^2 + 1) about log L_ii.

        From n/2 tr(S^-1 dS S^-1 dS), the expected information about S (Magnus and Neudecker 1988, section 15.4).
        """
        if not self.shape.matrix:
            return np.asarray(0.5 * information[np.isnan(held)])
        free = np.isnan(held[:, 0, 0])
        lower = factor(value[free])
        i, j = tril_indices(value.shape[-1])
        inverse = np.sum(np.linalg.inv(lower) ** 2, axis=1)[:, i]
        return np.asarray((information[free][:, i, j] * np.where(i == j, inverse * lower[:, i, j] ** 2 + 1.0, inverse)).ravel())


@dataclass(frozen=True)
class Whitener:
    """What turns x - mean into independent standard normals.

    Either ``scales`` (K or 1, d or 1), one over the standard deviations, or ``matrices`` (K or 1, d, d), the inverses of the lower
    Cholesky factors. ``log_norm`` (K or 1,) is the log density at the mean; NaN where a covariance is not positive definite.
    """

    scales: np.ndarray | None
    matrices: np.ndarray | None
    log_norm: np.ndarray

    def squared_norm(self, v: np.ndarray) -> np.ndarray:
        """v_k^T S_k^-1 v_k, for v (K, d): (K,)."""
        if self.scales is not None:
            return np.asarray(np.sum((v * self.scales) ** 2, axis=1))
        assert self.matrices is not None
        z = np.matmul(self.matrices, v[:, :, None])
        return np.asarray(np.sum(z[:, :, 0] ** 2, axis=1))

    def trace_of(self, scatter: np.ndarray) -> np.ndarray:
        """tr(scatter S^-1) for each distinct covariance; ``scatter`` (d, d), or (d,) for a diagonal one."""
        if self.scales is not None:
            diagonal = scatter if scatter.ndim == 1 else np.diag(scatter)
            return np.asarray((self.scales**2 * diagonal).sum(axis=1))
        assert self.matrices is not None
        product = self.matrices * scatter if scatter.ndim == 1 else self.matrices @ scatter
        return np.asarray(np.sum(product * self.matrices, axis=(1, 2)))

    def precisions(self) -> np.ndarray:
        """S^-1 for each distinct covariance: variances' inverses, or matrices."""
        if self.scales is not None:
            return np.asarray(self.scales**2)
        assert self.matrices is not None
        return np.asarray(np.swapaxes(self.matrices, 1, 2) @ self.matrices)

    def precisions_diagonal(self) -> np.ndarray:
        """Diagonals of S^-1: one over the variance of a column given the others."""
        if self.scales is not None:
            return np.asarray(self.scales**2)
        assert self.matrices is not None
        return np.asarray(np.sum(self.matrices**2, axis=1))


def factor(matrices: np.ndarray) -> np.ndarray:
    """Lower Cholesky factors (k, d, d), found where ``whiten`` finds them: of correlations, so that units do not matter."""
    sd = np.sqrt(np.diagonal(matrices, axis1=1, axis2=2))
    return np.asarray(sd[:, :, None] * np.linalg.cholesky(matrices / (sd[:, :, None] * sd[:, None, :])))


def whiten(covariances: np.ndarray, d: int) -> Whitener:
    """Factor covariances in internal form. Columns are brought to unit variance first, so that their units do not matter."""
    if covariances.ndim == 2:
        with np.errstate(divide="ignore", invalid="ignore"):
            log_variance = np.log(covariances)
            scales = 1.0 / np.sqrt(covariances)
        log_det = log_variance.sum(axis=1) * (d if covariances.shape[1] == 1 else 1)
        log_norm = np.where(np.isfinite(log_det), -0.5 * (log_det + d * _LOG_2PI), np.nan)
        return Whitener(scales, None, log_norm)
    with np.errstate(divide="ignore", invalid="ignore"):
        sd = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
        correlation = covariances / (sd[:, :, None] * sd[:, None, :])
    try:
        lower = np.linalg.cholesky(correlation)
    except np.linalg.LinAlgError:
        lower = np.stack([_cholesky_or_nan(matrix) for matrix in correlation])
    if not np.isfinite(lower).all():
        good = np.asarray(np.isfinite(lower).all(axis=(1, 2)))
        lower = np.where(good[:, None, None], lower, np.nan)
        inverse = np.full_like(lower, np.nan)
        inverse[good] = inverse_factors(lower[good])
    else:
        inverse = inverse_factors(lower)
    with np.errstate(divide="ignore", invalid="ignore"):
        matrices = inverse / sd[:, None, :]
        log_det = np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1) + np.log(sd).sum(axis=1)
    return Whitener(None, matrices, -log_det - 0.5 * d * _LOG_2PI)


def inverse_factors(lower: np.ndarray) -> np.ndarray:
    """Inverses of lower triangles (k, d, d). NumPy knows general matrices only; beyond a few columns a call for each is quicker."""
    if lower.shape[-1] < _WIDE:
        return np.tril(np.linalg.inv(lower))
    from scipy.linalg.lapack import dtrtri

    out = np.array(lower, order="C")
    for one in np.swapaxes(out, 1, 2):  # transposed, it lies as LAPACK has it, and is inverted in its place
        dtrtri(one, overwrite_c=1)
    return out


def _cholesky_or_nan(matrix: np.ndarray) -> np.ndarray:
    try:
        return np.asarray(np.linalg.cholesky(matrix))
    except np.linalg.LinAlgError:
        return np.full_like(matrix, np.nan)
