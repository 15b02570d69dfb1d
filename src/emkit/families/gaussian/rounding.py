"""Constants of Gaussian E-steps in the width of the data: what float32 rounds off a density is made up for."""

from typing import Any

import numpy as np


def norm_of_rounded(log_norm: np.ndarray, sharp: np.ndarray, repeats: int = 1) -> np.ndarray:
    """Log densities at the means, (K,), once the factors ``sharp`` are rounded to float32.

    The factors were rounded, so the constants must follow: a density that integrates to 1 + 1e-7 is an error of 1e-7 in every row,
    which adds up over rows and, changing from one hypothesis to the next, hides the last gains of EM.

    Parameters
    ----------
    log_norm : array of shape (K,)
    sharp : array of shape (K or 1, d, d) or (K or 1, d or 1)
        Inverses of Cholesky factors, or of standard deviations.
    repeats : int
        How many columns share a standard deviation.
    """
    diagonal = np.diagonal(sharp, axis1=1, axis2=2) if sharp.ndim == 3 else sharp
    blunt = diagonal.astype(np.float32).astype(np.float64)
    return np.asarray(log_norm + repeats * np.log(blunt / diagonal).sum(axis=1))


def joint_constants(log_weights: np.ndarray, log_norm: np.ndarray, width: Any) -> tuple[np.ndarray, float]:
    """Log constants of the components in the width of the data, (K,), and what remains to be added to every row in float64.

    In float32 the largest is taken out first, and the weights that the rounded ones imply are brought back to a sum of one; for the
    reason given in ``norm_of_rounded``.
    """
    exact = log_weights + log_norm
    base = float(exact.max())
    if width != np.float32 or not np.isfinite(base):
        return exact.astype(width), 0.0
    rounded = (exact - base).astype(width)
    used = np.isfinite(rounded)
    implied = log_weights[used] + (rounded[used].astype(np.float64) + base - exact[used])
    return rounded, base - float(np.log(np.exp(implied).sum() / np.exp(log_weights[used]).sum()))
