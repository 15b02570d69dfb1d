"""--time-limit counts the short runs of several starts."""

import numpy as np

from emkit import GaussianMixture
from emkit.cli.interrupts import Interrupts
from emkit.core.monitor import Monitor, TimeLimit
from emkit.core.result import StopReason


class Counts(Monitor):
    """How many short runs were begun and asked about."""

    def __init__(self):
        self.begun = self.times = 0

    def begin(self):
        self.begun += 1

    def asked(self):
        self.times += 1
        return None


def test_interrupts_pass_on_what_the_short_runs_ask():
    counts = Counts()
    interrupts = Interrupts()
    interrupts.carry([counts, TimeLimit(0.0)])
    interrupts.begin()
    assert interrupts.asked() is StopReason.TIME_LIMIT
    assert counts.begun == 1 and counts.times == 1


def test_a_time_limit_cuts_the_short_runs():
    x = np.random.default_rng(0).normal(size=(2000, 3))
    interrupts = Interrupts()
    interrupts.carry([TimeLimit(0.0)])
    cut = GaussianMixture(3, n_init=8, random_state=0, monitors=[interrupts]).fit(x)
    assert cut.result_.reason is StopReason.TIME_LIMIT
    assert len(cut.result_.starts) == 1
