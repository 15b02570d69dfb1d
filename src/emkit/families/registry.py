"""From the JSON descriptions of families and priors back to the objects."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from emkit.core.errors import ModelFileError
from emkit.core.model import Family
from emkit.core.prior import Dirichlet, Prior


def family_from_description(description: Mapping[str, Any]) -> Family[Any, Any]:
    """Inverse of ``Family.describe``. Raises ModelFileError for a kind this version does not know."""
    from emkit.families.gaussian import Gaussian

    known = {"gaussian": Gaussian}
    kind = description.get("family")
    if kind not in known:
        raise ModelFileError(f"unknown family {kind!r}; this emkit knows {', '.join(sorted(known))}")
    return known[kind].from_description(description)


def prior_from_description(description: Mapping[str, Any]) -> Prior:
    """Inverse of ``Prior.describe``."""
    from emkit.families.gaussian_prior import GaussianPrior, NormalInverseWishart

    values = {key: value for key, value in description.items() if key != "prior"}
    kind = description["prior"]
    if kind == "dirichlet":
        return Dirichlet(**values)
    if kind == "normal-inverse-wishart":
        return NormalInverseWishart(**values)
    if kind == "gaussian":
        mean = None if values["mean"] is None else np.array(values["mean"])
        return GaussianPrior(**{**values, "scatter": np.array(values["scatter"]), "mean": mean})
    raise ModelFileError(f"unknown prior {kind!r}; upgrade emkit")
