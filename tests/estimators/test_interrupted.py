"""Ctrl-C ends a fit and keeps what it has found."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from emkit import GaussianMixture, Monitor, StopReason, Trace


class PressCtrlC(Monitor):
    """As if the user had pressed Ctrl-C during the given iteration."""

    def __init__(self, iteration):
        self.iteration = iteration

    def step(self, step):
        if step.iteration == self.iteration:
            raise KeyboardInterrupt


@pytest.mark.parametrize("n_init", [1, 4])
def test_the_best_so_far_is_kept_and_said(rows, n_init):
    trace = Trace()
    with pytest.warns(ConvergenceWarning, match="interrupted; the best parameters so far were kept"):
        gm = GaussianMixture(3, tol=0, max_iter=100, n_init=n_init, random_state=0, monitors=[trace, PressCtrlC(40)]).fit(rows)
    assert gm.result_.reason is StopReason.INTERRUPTED
    assert not gm.converged_
    best = max(trace.steps, key=lambda step: step.objective)
    assert gm.result_.objective == best.objective
    np.testing.assert_array_equal(gm.means_, best.params.components.means)
    assert gm.score(rows) == gm.lower_bound_  # a model like any other
    assert "interrupted" in gm.summary()


def test_a_later_start_that_is_interrupted_does_not_lose_an_earlier_one(rows):
    class InTheSecondRun(Monitor):
        runs, best = 0, -np.inf

        def step(self, step):
            self.runs += step.iteration <= 25 and step.iteration != self.last + 1
            self.last = step.iteration
            if self.runs == 2:
                raise KeyboardInterrupt
            self.best = max(self.best, step.objective)

        last = -1

    watch = InTheSecondRun()
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        gm = GaussianMixture(4, tol=0, max_iter=60, n_init=4, random_state=0, monitors=[watch]).fit(rows)
    assert watch.runs == 2
    assert gm.result_.objective >= watch.best
    assert gm.result_.reason is StopReason.INTERRUPTED


def test_before_there_is_anything_to_keep_it_is_an_ordinary_interrupt(rows, monkeypatch):
    def interrupt(*_args, **_settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("emkit.models.mixture.FiniteMixture.init", interrupt)
    monkeypatch.setattr("emkit.models.mixture.MixturesSideBySide.init", interrupt)
    for n_init in ("auto", 3):
        gm = GaussianMixture(2, n_init=n_init, random_state=0)
        with pytest.raises(KeyboardInterrupt):
            gm.fit(rows)
        assert not hasattr(gm, "means_")


SCRIPT = """
import signal, sys, warnings

signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background may ignore it, and hands that on
import numpy as np
import emkit

class Announce(emkit.Monitor):
    def step(self, step):
        if step.iteration == 5:
            print("ready", flush=True)

warnings.simplefilter("ignore")
x = np.random.default_rng(0).normal(size=(150_000, 4))
gm = emkit.GaussianMixture(3, tol=0, max_iter=10**9, n_init=1, random_state=0, monitors=[Announce()]).fit(x)
print(gm.result_.reason.name, gm.n_iter_ >= 5, gm.score(x) == gm.lower_bound_, gm.result_.objective == max(gm.result_.trace))
"""


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_a_real_signal_while_threads_are_at_work():
    """The fit would go on for ever; the signal comes when it has said that it is under way."""
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 0, err
    assert out.split() == ["INTERRUPTED", "True", "True", "True"]
    assert "Traceback" not in err
