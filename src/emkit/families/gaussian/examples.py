"""Small configurations of a Gaussian that the conformance kit tries."""

from typing import Any

import numpy as np

from emkit.families.gaussian.covariance_types import DECOMPOSED
from emkit.families.gaussian.prior import NormalInverseWishart
from emkit.families.gaussian.shapes import COVARIANCE_TYPES


def examples(cls: Any) -> list[Any]:
    """Each shape of covariance; priors; fixed values, whole and in part."""
    nan = np.nan
    prior = NormalInverseWishart(df=7, scale=[1.0, 2.0], mean_mass=0.5)
    means, some = {"means": [[0.0, 1.0], [3.0, 2.0]]}, {"means": [[0.0, nan], [nan, 2.0]]}
    one = {"covariances": [[[2.0, 0.5], [0.5, 1.0]], [[nan, nan], [nan, nan]]]}
    return [
        *(cls(kind) for kind in COVARIANCE_TYPES),
        *(cls(kind, prior) for kind in COVARIANCE_TYPES),
        *(cls(kind) for kind in DECOMPOSED),
        cls("VEV", prior, fixed=some),
        cls("EVE", prior),
        cls("VEI", None),
        cls("VEE", prior, fixed={"covariances": 4.0}),
        cls("full", None),
        cls("diag", reg_covar=0.1),
        cls("full", prior, fixed={**some, **one}),
        cls("tied", prior, fixed=some),
        cls("diag", fixed={"covariances": [[2.0, nan], [nan, nan]]}),
        cls("full", None, fixed={"covariances": 4.0}),
        cls("spherical", prior, fixed={**means, "covariances": 4.0}),
    ]
