"""A monitor of one's own: shows the means on their way, and stops when none of them moves any more."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from emkit import GaussianMixture, Monitor, StopReason


class StopWhenStill(Monitor):
    """Ends the fit when no mean has moved by more than ``distance`` in an iteration."""

    def __init__(self, distance: float):
        self.distance = distance
        self.means = None

    def step(self, step):
        means, before = step.params.components.means, self.means
        self.means = means
        moved = np.inf if before is None else np.abs(means - before).max()
        rows = step.stats.counts  # expected rows of each component: part of the E-step's statistics
        print(f"iteration {step.iteration:2}  objective {step.objective:9.2f}  moved {moved:6.4f}  expected rows {rows.round(1)}")
        return StopReason.STOPPED if moved < self.distance else None

    def end(self, result):
        self.means = None
        print(result.reason.value)


rng = np.random.default_rng(0)
x = np.concatenate([rng.normal(0, 1, (600, 2)), rng.normal(3, 1, (400, 2))])

warnings.simplefilter("ignore", ConvergenceWarning)  # fit warns when it was stopped; here that is the point
gm = GaussianMixture(2, n_init=1, init_params="random_from_data", random_state=0, monitors=[StopWhenStill(0.01)]).fit(x)
print(f"means {gm.means_.round(2).tolist()}")
