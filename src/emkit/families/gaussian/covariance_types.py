"""The table of covariance types by name: scikit-learn's, and mclust's for volume, shape and orientation."""

from emkit.families.gaussian.decomposed import EEV, EVE, EVI, EVV, VEE, VEI, VEV, VVE
from emkit.families.gaussian.shapes import COVARIANCE_TYPES, Shape

DECOMPOSED: dict[str, Shape] = {shape.name: shape for shape in (VEI(), EVI(), VEE(), EVE(), VVE(), EEV(), VEV(), EVV())}
"""Those in which components have something in common without being the same."""

_OTHER_NAMES = {"EII": "tied-spherical", "VII": "spherical", "EEI": "tied-diag", "VVI": "diag", "EEE": "tied", "VVV": "full"}

MCLUST = ("EII", "VII", "EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVV")
"""Mclust's names, in its order."""

ALL_TYPES: dict[str, Shape] = {
    **COVARIANCE_TYPES,
    **{name: COVARIANCE_TYPES[_OTHER_NAMES[name]] if name in _OTHER_NAMES else DECOMPOSED[name] for name in MCLUST},
}


def plain_name(covariance_type: str) -> str:
    """The name that scikit-learn's users know, where mclust has another for the same; otherwise as it is."""
    return _OTHER_NAMES.get(covariance_type, covariance_type)
