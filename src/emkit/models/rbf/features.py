"""Units of a radial basis function network, and how their values change with their widths.

phi_k(x) = exp(-1/2 tau_k sum_j omega_j (x_j - c_kj)^2), plain or divided by the sum over the units (Moody & Darken
1989). One omega_j per column, shared by all units; tau_k is 1 unless the units have widths of their own.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Units:
    """K units over d standardised columns: where they stand and how wide they are."""

    centers: Array
    """(K, d)."""
    log_omega: Array
    """(d,): logarithm of one inverse squared width per column."""
    log_factor: Array
    """(K,): logarithm of tau, the factor of each unit's inverse squared widths; zeros for widths per column only."""
    normalised: bool

    @property
    def count(self) -> int:
        """K."""
        return self.centers.shape[0]


def squared_distances(x: Array, centers: Array, omega: Array) -> Array:
    """Sum over columns of omega_j (x_nj - c_kj)^2: (n, K).

    The square is expanded into a matrix product. Rounding may then give -1e-16 times the squared norms, which is cut
    off at 0.
    """
    scaled = centers * omega
    out: Array = x @ (-2.0 * scaled.T)
    out += ((x * x) @ omega)[:, None]
    out += (centers * scaled).sum(1)
    return np.maximum(out, 0.0, out=out)


def exponents(x: Array, units: Units) -> Array:
    """1/2 tau_k sum_j omega_j (x_nj - c_kj)^2: (n, K)."""
    out = squared_distances(x, units.centers, np.exp(units.log_omega))
    out *= 0.5 * np.exp(units.log_factor)
    return out


def shares_of(exponent: Array) -> tuple[Array, Array]:
    """Values of the units divided by their sum, (n, K), and the logarithm of that sum, (n,).

    The largest value of a row is taken out first, so that far from all units the nearest one has share 1 and nothing
    is 0 / 0.
    """
    least = exponent.min(1)
    shares = np.exp(least[:, None] - exponent)
    total = shares.sum(1)
    shares /= total[:, None]
    return shares, np.log(total) - least


def values(exponent: Array, normalised: bool) -> Array:
    """Phi of the given kind from the exponents: (n, K)."""
    return shares_of(exponent)[0] if normalised else np.exp(-exponent)


def design(phi: Array, x: Array) -> Array:
    """The matrix [1, phi, x]: (n, 1 + K + d)."""
    n, k = phi.shape
    out = np.empty((n, 1 + k + x.shape[1]))
    out[:, 0] = 1.0
    out[:, 1 : k + 1] = phi
    out[:, k + 1 :] = x
    return out


def pull_back(slope: Array, phi: Array, exponent: Array, x: Array, units: Units) -> tuple[Array, Array]:
    """Gradients with respect to log omega, (d,), and log tau, (K,), from those with respect to phi, ``slope`` (n, K).

    d phi_nk / d log omega_j = -1/2 tau_k omega_j (x_nj - c_kj)^2 phi_nk for plain units. Divided by their sum, the
    mean of that derivative over the units, weighted by phi, comes off. The squares are expanded, so that everything
    is a matrix product.
    """
    pull = slope * phi
    if units.normalised:
        pull -= phi * pull.sum(1, keepdims=True)
    by_factor: Array = -np.einsum("nk,nk->k", pull, exponent)
    pull *= np.exp(units.log_factor)
    squares = pull.sum(1) @ (x * x)
    mixed = ((pull.T @ x) * units.centers).sum(0)
    ends = pull.sum(0) @ units.centers**2
    by_omega: Array = -0.5 * np.exp(units.log_omega) * (squares - 2.0 * mixed + ends)
    return by_omega, by_factor
