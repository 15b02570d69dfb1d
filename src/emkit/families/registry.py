"""From the JSON descriptions of families and priors back to the objects."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from emkit.core.errors import ModelFileError
from emkit.core.model import Family
from emkit.core.prior import Dirichlet, Prior


def family_from_description(description: Mapping[str, Any]) -> Family[Any, Any]:
    """Inverse of ``Family.describe``. Raises ModelFileError for a kind this version does not know."""
    from emkit.families.bernoulli import Bernoulli
    from emkit.families.categorical import Categorical
    from emkit.families.gaussian import Gaussian
    from emkit.families.mixed import Mixed
    from emkit.families.poisson import Poisson
    from emkit.families.tied import Tied

    known: dict[str, Any] = {
        "bernoulli": Bernoulli,
        "categorical": Categorical,
        "gaussian": Gaussian,
        "mixed": Mixed,
        "poisson": Poisson,
        "tied": Tied,
    }
    kind = description.get("family")
    if kind not in known:
        raise ModelFileError(f"unknown family {kind!r}; this emkit knows {', '.join(sorted(known))}")
    family: Family[Any, Any] = known[str(kind)].from_description(description)
    return family


def prior_from_description(description: Mapping[str, Any]) -> Prior:
    """Inverse of ``Prior.describe``."""
    from emkit.families.bernoulli import Beta
    from emkit.families.gaussian_prior import GaussianPrior, NormalInverseWishart
    from emkit.families.poisson import Gamma

    values = {key: value for key, value in description.items() if key != "prior"}
    kind = description["prior"]
    if kind == "gamma":
        return Gamma(**values)
    if kind == "beta":
        return Beta(**values)
    if kind == "dirichlet":
        return Dirichlet(**values)
    if kind == "normal-inverse-wishart":
        return NormalInverseWishart(**values)
    if kind == "gaussian":
        mean = None if values["mean"] is None else np.array(values["mean"])
        return GaussianPrior(**{**values, "scatter": np.array(values["scatter"]), "mean": mean})
    raise ModelFileError(f"unknown prior {kind!r}; upgrade emkit")
