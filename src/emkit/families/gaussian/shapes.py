"""The shapes a Gaussian covariance can take, and what whitens a row under each."""

from dataclasses import dataclass

import numpy as np

from emkit.core.errors import ParameterError

_LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True)
class Shape:
    """A covariance structure.

    ``shared``: one for all components. ``pooled``: one variance for all columns. ``matrix``: with correlations.
    """

    shared: bool
    pooled: bool
    matrix: bool

    def form(self, k: int, d: int) -> tuple[int, ...]:
        """Internal array shape: (K or 1, d, d), (K or 1, d) or (K or 1, 1)."""
        first = 1 if self.shared else k
        return (first, d, d) if self.matrix else (first, 1 if self.pooled else d)

    def face(self, k: int, d: int) -> tuple[int, ...]:
        """scikit-learn's array shape: (K, d, d), (d, d), (K, d), (K,), (d,) or ()."""
        tail = (d, d) if self.matrix else () if self.pooled else (d,)
        return tail if self.shared else (k, *tail)

    def n_free(self, k: int, d: int) -> int:
        """Free entries."""
        each = d * (d + 1) // 2 if self.matrix else 1 if self.pooled else d
        return each if self.shared else each * k

    def identity(self, k: int, d: int) -> np.ndarray:
        """Unit variances, in internal form."""
        return self.isotropic(np.ones(d), k)

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


def check_covariances(value: np.ndarray, shape: Shape, k: int, d: int, name: str) -> np.ndarray:
    """User's covariances in internal form. A number means that variance for every column of every component.

    Raises
    ------
    ParameterError
        If the shape is none of those, or a matrix is not symmetric positive definite.
    """
    form, face = shape.form(k, d), shape.face(k, d)
    if value.ndim == 0:
        out = shape.isotropic(np.full(d, float(value)), k)
    elif value.shape in (face, form):
        out = value.reshape(form)
    else:
        raise ParameterError(f"{name} has shape {value.shape}, expected {face} (or a single number)")
    if not shape.matrix:
        if not (out > 0).all():
            raise ParameterError(f"{name}: every variance must be positive, found {out.min():g}")
        return out
    for i, matrix in enumerate(out):
        if not np.allclose(matrix, matrix.T, rtol=1e-8, atol=1e-12 * np.abs(matrix).max()):
            raise ParameterError(f"{name}: matrix {i} is not symmetric")
        diagonal = np.diag(matrix)
        if not (diagonal > 0).all() or not np.isfinite(whiten(matrix[None], d).log_norm).all():
            raise ParameterError(f"{name}: matrix {i} is not positive definite")
    return out


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
        inverse[good] = np.linalg.inv(lower[good])
    else:
        inverse = np.linalg.inv(lower)
    inverse = np.tril(inverse)
    with np.errstate(divide="ignore", invalid="ignore"):
        matrices = inverse / sd[:, None, :]
        log_det = np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1) + np.log(sd).sum(axis=1)
    return Whitener(None, matrices, -log_det - 0.5 * d * _LOG_2PI)


def _cholesky_or_nan(matrix: np.ndarray) -> np.ndarray:
    try:
        return np.asarray(np.linalg.cholesky(matrix))
    except np.linalg.LinAlgError:
        return np.full_like(matrix, np.nan)
