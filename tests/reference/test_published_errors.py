"""Standard errors that other programs printed.

Major earthquakes, three states: momentuHMM (R), from the Hessian by the delta method, printed in V. Wang's notes on hidden Markov
models, chapter 8 (github.com/vinky-wang/HMM-notes, docs/08-earthquake-example.md, 2023, CIreal). Its fit, -328.5884, ends
0.06 nats below the maximum, so a few per cent are left open. Acidity of lakes (Crawford 1994, JASA 89, 259-267), two components of
one variance: the bootstrap of mclust 6.1.3, 999 replicates, in its vignette "A quick tour of mclust"
(summary(MclustBootstrap(densityMclust(acidity)), what = "se")).
"""

import numpy as np
import pytest

from emkit import HMM, GaussianMixture
from support import datasets

RATES = np.array([0.6600995, 0.8708107, 1.679509])
TRANSMAT = np.array(
    [[0.04445528, 0.04082282, 0.03293175], [0.03190339, 0.05399426, 0.04414623], [np.nan, 0.11385140, 0.11385140]]
)  # that of a probability of 3e-13 is left out
WEIGHTS, MEANS, VARIANCE = 0.04130937, np.array([0.04669993, 0.06719883]), 0.02376885


def test_earthquakes_against_momentuhmm():
    y = datasets.earthquakes()
    model = HMM(3, "poisson", random_state=0, n_init=8, tol=1e-8).fit(y)
    found = model.standard_errors(y)
    order = np.argsort(model.rates_.ravel())
    np.testing.assert_allclose(found["rates"].ravel()[order], RATES, rtol=0.005)
    transmat = found["transmat"][np.ix_(order, order)]
    np.testing.assert_allclose(transmat, TRANSMAT, rtol=0.04)
    assert any("startprob[0]" in note and "transmat[" in note and "edge" in note for note in found.notes)


@pytest.mark.parametrize("method", ["observed", "sandwich", "bootstrap", "parametric bootstrap"])
def test_acidity_against_mclust(method):
    """The bootstrap agrees within what 400 and 999 replicates leave open; other methods say nearly the same."""
    x = datasets.acidity()
    model = GaussianMixture(2, covariance_type="tied", prior=None, random_state=0, n_init=4, tol=1e-8).fit(x)
    found = model.standard_errors(x, method=method, n_replicates=400, random_state=0)
    close = 0.12 if method == "bootstrap" else 0.2
    order = np.argsort(model.means_.ravel())
    np.testing.assert_allclose(found["weights"], WEIGHTS, rtol=close)
    np.testing.assert_allclose(found["means"].ravel()[order], MEANS, rtol=close)
    np.testing.assert_allclose(found["covariances"].ravel(), VARIANCE, rtol=close)
