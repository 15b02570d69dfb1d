"""Emissions of an HMM: from an estimator's settings to a family, and between the family's parameters and fitted attributes."""

from typing import Any

import numpy as np

from emkit.core.errors import ParameterError
from emkit.core.model import Family
from emkit.families.bernoulli import Bernoulli, BernoulliParams
from emkit.families.categorical import Categorical, CategoricalParams
from emkit.families.gaussian.family import Gaussian
from emkit.families.gaussian.params import GaussianParams
from emkit.families.gaussian.shapes import COVARIANCE_TYPES
from emkit.families.mixed import Mixed, MixedParams
from emkit.families.poisson import Poisson, PoissonParams
from emkit.families.tied import Tied

EMISSIONS = ("gaussian", "categorical", "bernoulli", "poisson")
_KEYS = {
    "gaussian": ("means", "covariances"),
    "poisson": ("rates",),
    "categorical": ("probs",),
    "bernoulli": ("probs",),
}


def make_family(
    emission: str | Family[Any, Any],
    *,
    start: dict[str, Any],
    fixed: dict[str, Any],
    prior: Any,
    covariance_type: str = "diag",
    n_categories: Any = None,
    n_mix: int = 1,
    tie: Any = None,
) -> Family[Any, Any]:
    """The family that an estimator's settings ask for. Raises ParameterError for values that it does not have."""
    if isinstance(emission, Family):
        if start or fixed:
            given = ", ".join(sorted({*start, *fixed}))
            raise ParameterError(f"{given}: with a Family as emission, give starting and fixed values to the family")
        return emission if tie is None else Tied(emission, tuple(int(g) for g in tie))
    if emission not in EMISSIONS:
        raise ParameterError(f"emission={emission!r}: choose one of {', '.join(map(repr, EMISSIONS))}, or give a Family")
    if n_mix < 1:
        raise ParameterError(f"n_mix={n_mix!r}: give an integer of at least 1")
    weights = start.pop("weights", None)
    for where, values in (("starting values", start), ("fixed", fixed)):
        unknown = set(values) - set(_KEYS[emission])
        if unknown:
            raise ParameterError(f"{where} {sorted(unknown)}: {emission} emissions have {', '.join(_KEYS[emission])}")
    parts = n_mix > 1
    if weights is not None and not parts:
        raise ParameterError("mixture weights are given, but n_mix=1")
    if parts:
        start, fixed = ({key: _flat(key, value, n_mix) for key, value in values.items()} for values in (start, fixed))
    # "weak" is the Gaussian's default prior; discrete emissions cannot collapse and have none by default.
    own = None if isinstance(prior, str) and prior == "weak" else prior
    family: Family[Any, Any]
    if emission == "gaussian":
        family = Gaussian(covariance_type, prior, fixed, start)
    elif emission == "poisson":
        family = Poisson(own, fixed, start)
    elif emission == "categorical":
        family = Categorical(n_categories, own, fixed, start)
    else:
        family = Bernoulli(own, fixed, start)
    if parts:
        family = Mixed(family, n_mix, None, weights)
    return family if tie is None else Tied(family, tuple(int(g) for g in tie))


def _flat(key: str, value: Any, m: int) -> Any:
    """Values of parts (K, M, ...) as (K M, ...); numbers and shared covariances as they are."""
    array = np.asarray(value)
    return array.reshape(-1, *array.shape[2:]) if array.ndim >= 2 and array.shape[1] == m else array


def to_attributes(family: Family[Any, Any], params: Any) -> dict[str, np.ndarray]:
    """Fitted attributes by name: means_, covariances_, rates_, probs_, weights_; those of tied states are repeated for each state."""
    if isinstance(family, Tied):
        inner = to_attributes(family.family, params)
        index = np.asarray(family.groups)
        shared = isinstance(family.family, Gaussian) and family.family.shape.shared
        return {key: value if shared and key == "covariances_" else value[index] for key, value in inner.items()}
    if isinstance(family, Mixed):
        k, m = params.weights.shape
        out = {}
        for key, value in to_attributes(family.family, params.parts).items():
            out[key] = value.reshape(k, m, *value.shape[1:]) if value.shape[:1] == (k * m,) else value
        return {"weights_": params.weights.copy(), **out}
    if isinstance(family, Gaussian):
        k, d = params.means.shape
        face = family.shape.face(k, d)
        return {"means_": params.means.copy(), "covariances_": np.array(params.covariances).reshape(face)}
    if isinstance(family, Poisson):
        return {"rates_": params.rates.copy()}
    if isinstance(family, Categorical):
        probs = params.probs
        return {"probs_": (probs[:, 0] if probs.shape[1] == 1 else probs).copy()}
    if isinstance(family, Bernoulli):
        return {"probs_": params.probs.copy()}
    return {}


def from_attributes(emission: str, values: dict[str, Any], *, covariance_type: str, n_mix: int = 1) -> tuple[Family[Any, Any], Any]:
    """A family and its parameters from attributes set by hand, for models that were never fitted."""
    if n_mix > 1:
        weights = np.asarray(values["weights_"], dtype=np.float64)
        inner = {key: _flat(key, value, n_mix) for key, value in values.items() if key != "weights_"}
        family, parts = from_attributes(emission, inner, covariance_type=covariance_type)
        return Mixed(family, n_mix), MixedParams(weights, parts)
    arrays = {key: np.array(value, dtype=np.float64) for key, value in values.items()}
    if emission == "gaussian":
        means = arrays["means_"]
        k, d = means.shape
        form = COVARIANCE_TYPES[covariance_type].form(k, d)
        return Gaussian(covariance_type, None), GaussianParams(means, arrays["covariances_"].reshape(form))
    if emission == "poisson":
        return Poisson(), PoissonParams(arrays["rates_"])
    probs = arrays["probs_"]
    if emission == "bernoulli":
        return Bernoulli(), BernoulliParams(probs)
    probs = probs[:, None, :] if probs.ndim == 2 else probs
    return Categorical((probs.shape[2],) * probs.shape[1]), CategoricalParams(probs)
