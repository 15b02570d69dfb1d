"""Von Mises columns: angles about a mean direction for each component."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from emkit.core.columns import Columns
from emkit.core.parameters import Angle, Parameter, Positive, wrapped
from emkit.core.profiles import differences
from emkit.core.support import Angles
from emkit.families.columnwise import ExponentialFamily, Terms

_LEAST, _MOST = 1e-4, 1e8  # below is as good as uniform
_LARGE = 1000.0  # concentrations from which on the asymptotic series is exact to the last digits


@dataclass(frozen=True)
class VonMises(ExponentialFamily):
    """Independent angles in radians given the component: density exp(c cos(x - mean)) / (2 pi I0(c)), c the concentration.

    A missing cell contributes nothing.

    Parameters
    ----------
    prior : "weak", PseudoRows or None
        See ``ExponentialFamily``.
    fixed, start_values : mapping, optional
        "means" (K, d), mean directions within (-pi, pi], and "concentrations" (K, d).

    References
    ----------
    Mardia and Jupp (2000), Directional Statistics, sections 3.5.4 and 5.3.1.
    """

    parameters = (Parameter("means", "K d", Angle()), Parameter("concentrations", "K d", Positive()))
    support = Angles()
    limits: ClassVar[dict[str, tuple[float, float]]] = {"concentrations": (_LEAST, _MOST)}

    @classmethod
    def examples(cls) -> list[Self]:
        """Plain, without a prior, partly fixed."""
        some = {"means": [[-1.0, np.nan], [np.nan, np.nan]], "concentrations": [[3.0, np.nan], [np.nan, 2.0]]}
        return [cls(), cls(None), cls(fixed=some)]

    def terms(self, params: Any, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """Cosine and sine."""
        return np.cos(x), np.sin(x)

    def natural(self, params: Any) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """The concentration, in the two directions."""
        c = params.concentrations
        return (c * np.cos(params.means), c * np.sin(params.means)), np.log(2.0 * np.pi) + _log_i0(c)

    def cell(self, params: Any, x: np.ndarray) -> np.ndarray:
        """The log density by half angles, so that nothing cancels where concentrations are large."""
        from scipy.special import i0e

        c = params.concentrations
        return -2.0 * c * np.sin(0.5 * (x - params.means)) ** 2 - np.log(2.0 * np.pi * i0e(c))

    def m_step(self, stats: Terms, params: Any) -> Any:
        """The direction of the mean vector, and the concentration that goes with its length."""
        cosine, sine = (total / stats.mass for total in stats.sums)
        return self.Params(np.arctan2(sine, cosine), concentration(1.0 - np.hypot(cosine, sine), params.concentrations))

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One row for each entry of ``component``, within (-pi, pi]."""
        return wrapped(rng.vonmises(params.means[component], params.concentrations[component]))

    def moments(self, params: Any) -> tuple[np.ndarray, np.ndarray]:
        """Mean directions, and the mean squared angle from them, by Gauss's quadrature."""
        nodes, weights = np.polynomial.legendre.leggauss(200)
        c = params.concentrations[..., None]
        angle = nodes * np.minimum(np.pi, 12.0 / np.sqrt(c))
        density = weights * np.exp(-2.0 * c * np.sin(0.5 * angle) ** 2)
        return params.means, (density * angle**2).sum(axis=-1) / density.sum(axis=-1)

    def _vectors(self, params: Any) -> tuple[np.ndarray, np.ndarray]:
        """Mean cosine and sine under each component, (K, d) each: I1(c) / I0(c) in the mean direction."""
        length = 1.0 - _gap(params.concentrations)[0]
        return length * np.cos(params.means), length * np.sin(params.means)

    def filled(self, params: Any, x: np.ndarray, resp: np.ndarray) -> np.ndarray:
        """The direction of the mean vector, given the row's responsibilities."""
        cosine, sine = self._vectors(params)
        return np.where(np.isnan(x), np.arctan2(resp @ sine, resp @ cosine), x)

    def profile(self, params: Any, weights: np.ndarray, columns: Columns) -> list[tuple[np.ndarray, list[str]]]:
        """The angle from the mean direction of the whole, in roots of the mean squared angle from it."""
        cosine, sine = self._vectors(params)
        overall = np.arctan2(weights @ sine, weights @ cosine)
        return differences(params.means, overall, wrapped(params.means - overall), self.moments(params)[1], weights, columns)

    def cdf(self, params: Any, x: np.ndarray, *, upper: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """From -pi on."""
        from scipy.stats import vonmises

        def reached(angle: Any) -> np.ndarray:
            return np.asarray(vonmises.cdf(angle - params.means[:, 0], params.concentrations[:, 0]))

        at = reached(wrapped(x))
        value = np.clip(reached(np.pi) - at if upper else at - reached(-np.pi), 0.0, 1.0)
        return value, value


def concentration(gap: np.ndarray, before: np.ndarray | float = 1.0) -> np.ndarray:
    """Where I1(c) / I0(c) is 1 - ``gap``, by Newton steps kept within bounds that close in.

    These are 1e-4 and 1e8 to begin with, or the value ``before`` if that lies beyond.
    """
    gap = np.clip(np.nan_to_num(gap, nan=1.0), 1e-300, 1.0)
    low, high = (np.broadcast_to(end, gap.shape) for end in (np.minimum(_LEAST, before), np.maximum(_MOST, before)))
    c = np.clip((1.0 - gap) * (2.0 - (1.0 - gap) ** 2) / (gap * (2.0 - gap)), low, high)  # Banerjee et al. (2005)
    for _ in range(60):
        found, slope = _gap(c)
        low, high = np.where(found > gap, c, low), np.where(found < gap, c, high)
        new = c + (found - gap) / slope
        new = np.where((new >= low) & (new <= high), new, np.sqrt(low * high))
        done = np.abs(new - c) <= 1e-14 * c
        c = new
        if done.all():
            break
    return np.asarray(c)


def _log_i0(c: np.ndarray) -> np.ndarray:
    """Log I0(c), also a step along the imaginary axis away from a number c, where it changes by I1(c) / I0(c).

    Of complex numbers with tiny imaginary parts these are lost in the rounding of SciPy's own Bessel functions.
    """
    from scipy.special import i0e

    real = np.real(c)
    found = np.log(i0e(real)) + real
    return np.asarray(found + 1j * np.imag(c) * (1.0 - _gap(real)[0]) if np.iscomplexobj(c) else found)


def _gap(c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1 - I1(c) / I0(c), and minus its derivative."""
    from scipy.special import i0e, i1e

    y = 1.0 / np.maximum(c, _LARGE)
    ratio = i1e(c) / i0e(c)
    large = c > _LARGE
    found = np.where(large, y * (0.5 + y * (0.125 + y * (0.125 + y * 25.0 / 128.0))), 1.0 - ratio)
    slope = np.where(large, y * y * (0.5 + y * (0.25 + y * (0.375 + y * 25.0 / 32.0))), 1.0 - ratio / c - ratio**2)
    return found, slope
