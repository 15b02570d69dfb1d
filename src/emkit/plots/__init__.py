"""Pictures of fitted models, by matplotlib, which is imported when the first one is drawn.

Every function takes axes as ``ax=`` and returns the axes that it drew in; without, it makes a figure. Colours are told apart by
every kind of colour vision. Estimators have ``plot``, which chooses one of these.
"""

from emkit.plots.certainty import responsibilities, uncertainty
from emkit.plots.comparison import criteria
from emkit.plots.coordinates import parallel
from emkit.plots.displays import ComponentsDisplay, PredictionDisplay, StatesDisplay, UncertaintyDisplay
from emkit.plots.fits import starts, trace
from emkit.plots.graphs import network
from emkit.plots.mixtures import components
from emkit.plots.panels import profiles
from emkit.plots.regressions import prediction
from emkit.plots.residuals import pseudo_residuals
from emkit.plots.states import states_over_time, transitions

__all__ = [
    "ComponentsDisplay",
    "PredictionDisplay",
    "StatesDisplay",
    "UncertaintyDisplay",
    "components",
    "criteria",
    "network",
    "parallel",
    "prediction",
    "profiles",
    "pseudo_residuals",
    "responsibilities",
    "starts",
    "states_over_time",
    "trace",
    "transitions",
    "uncertainty",
]
