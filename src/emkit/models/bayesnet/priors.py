"""Priors of conditional probability tables, and of linear Gaussian families."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.checks import number
from emkit.core.errors import ParameterError
from emkit.core.prior import Dirichlet, Prior


@dataclass(frozen=True)
class BDeu:
    """The same prior for equivalent graphs: ``sample_size`` pseudo-rows, spread evenly over the entries of every table.

    A table with q rows of r states gets sample_size / (q r) pseudo-counts in each entry, added to the counts as they are: with
    complete data the estimates are the posterior means that Heckerman, Geiger and Chickering (1995, Machine Learning 20, 197-243)
    have, and pgmpy and bnlearn report.

    Parameters
    ----------
    sample_size : float
        Above 0.
    """

    sample_size: float = 1.0

    def __post_init__(self) -> None:
        if not number(self.sample_size, "sample_size", "a number of pseudo-rows") > 0:
            raise ParameterError(f"BDeu(sample_size={self.sample_size!r}): give a number above 0", parameter="sample_size")

    def of_table(self, shape: tuple[int, ...]) -> Dirichlet:
        """The prior of a table of this shape."""
        return Dirichlet(np.full(shape, 1.0 + self.sample_size / float(np.prod(shape))))


@dataclass(frozen=True)
class Penalty:
    """What every prior of a linear Gaussian family comes down to. For each configuration it adds to the objective

        - mass/2 log v - (scatter + sum_j precision_j (b_j - mean_j)^2) / (2 v)

    for its variance v and coefficients b, the intercept first.

    Attributes
    ----------
    mass, scatter : float
    precision, mean : arrays (1 + parents,)
    """

    mass: float
    scatter: float
    precision: np.ndarray
    mean: np.ndarray

    @classmethod
    def none(cls, width: int) -> "Penalty":
        """No prior."""
        return cls(0.0, 0.0, np.zeros(width), np.zeros(width))

    @classmethod
    def weak(cls, width: int, spread: float, total_weight: float) -> "Penalty":
        """2/n pseudo-observations with the column's variance, as Gaussian mixtures have them.

        See ``emkit.families.gaussian.prior``. It keeps the likelihood bounded and vanishes as data accumulate.
        """
        strength = 2.0 / max(total_weight, 1.0)
        return cls(strength, strength * spread, np.zeros(width), np.zeros(width))

    def log_density(self, coefficients: np.ndarray, variances: np.ndarray) -> float:
        """Of all configurations: coefficients (C, 1 + parents), variances (C,)."""
        if not self.mass and not self.scatter and not self.precision.any():
            return 0.0
        off = (self.precision * (coefficients - self.mean) ** 2).sum(axis=1)
        return float(np.sum(-0.5 * self.mass * np.log(variances) - 0.5 * (self.scatter + off) / variances))


@dataclass(frozen=True)
class NormalInverseGamma(Prior):
    """The conjugate prior of a linear Gaussian family, for each configuration of its discrete parents.

    Its variance v has a scaled inverse chi-squared distribution, df * scale / v ~ chi^2(df), and its coefficients, the intercept
    first, are normal about ``mean`` with variance v / mass. Gelman et al. (2013), Bayesian Data Analysis, section 14.8.

    Parameters
    ----------
    df : float
        Degrees of freedom, above 0.
    scale : float
        A variance, in squared units of the column.
    mass : float or array (1 + parents,)
        Pseudo-observations behind each coefficient; 0 leaves it free.
    mean : float or array (1 + parents,)
    """

    df: float
    scale: float
    mass: Any = 0.0
    mean: Any = 0.0

    def __post_init__(self) -> None:
        if not (number(self.df, "df", "a number above 0") > 0 and number(self.scale, "scale", "a variance") > 0):
            raise ParameterError(f"{self!r}: df and scale must be above 0", parameter="prior")
        mass, mean = np.asarray(self.mass, dtype=np.float64), np.asarray(self.mean, dtype=np.float64)
        if not (np.isfinite(mass).all() and (mass >= 0).all() and np.isfinite(mean).all()):
            raise ParameterError(f"{self!r}: mass must not be negative, and mean finite", parameter="prior")

    def resolve(self, width: int, name: str) -> Penalty:
        """For a node with ``width`` - 1 Gaussian parents. Raises ParameterError where arrays have another length."""
        values = []
        for what in ("mass", "mean"):
            given = np.asarray(getattr(self, what), dtype=np.float64)
            if given.shape not in ((), (width,)):
                raise ParameterError(
                    f"prior of {name!r}: {what} has shape {given.shape}; give a number, or {width}, the intercept's first",
                    parameter="prior",
                )
            values.append(np.broadcast_to(given, (width,)).copy())
        precision, mean = values
        mass = self.df + 2.0 + float((precision > 0).sum())
        return Penalty(mass, self.df * self.scale, precision, np.where(precision > 0, mean, 0.0))

    def log_density(self, value: np.ndarray) -> np.ndarray:
        """Coefficients and variances have it together: see ``Penalty``."""
        return np.zeros_like(value)


def penalties_of(
    given: Any, names: Sequence[str], widths: Sequence[int], spread: np.ndarray, total_weight: float
) -> tuple[Penalty, ...]:
    """What the priors of Gaussian nodes come down to: ``given`` is one for all, or a mapping by name that leaves others "weak".

    ``widths``: each node's number of coefficients; ``spread`` (G,): variances of the columns. Raises ParameterError.
    """
    by_node = dict(given) if isinstance(given, Mapping) else dict.fromkeys(names, given)
    unknown = sorted(set(by_node) - set(names))
    if unknown:
        raise ParameterError(f"prior: {unknown[0]!r} is no Gaussian node; these are {', '.join(names)}", parameter="prior")
    found = []
    for name, width, one in zip(names, widths, spread, strict=True):
        prior = by_node.get(name, "weak")
        if isinstance(prior, NormalInverseGamma):
            found.append(prior.resolve(width, name))
        elif isinstance(prior, str) and prior == "weak":
            found.append(Penalty.weak(width, float(one), total_weight))
        elif prior is None:
            found.append(Penalty.none(width))
        else:
            raise ParameterError(f"prior of {name!r} is {prior!r}; give a NormalInverseGamma, 'weak' or None", parameter="prior")
    return tuple(found)
