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


_CODES = {plain: name for name, plain in _OTHER_NAMES.items()}
_FREER = ({"E": "EV", "V": "V"}, {"I": "IEV", "E": "EV", "V": "V"}, {"I": "IEV", "E": "EV", "V": "V"})
"""For volume, shape and orientation: which letters allow whatever one of them allows."""


def allows(covariance_type: str, other: str) -> bool:
    """Whether covariances of the ``other`` type are always of this one too: none of its three letters is freer."""
    codes = [_CODES.get(name, name) for name in (other, covariance_type)]
    return all(mine in freer[his] for freer, his, mine in zip(_FREER, *codes, strict=True))


def plain_name(covariance_type: str) -> str:
    """The name that scikit-learn's users know, where mclust has another for the same; otherwise as it is."""
    return _OTHER_NAMES.get(covariance_type, covariance_type)
