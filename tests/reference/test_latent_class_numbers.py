"""Log-likelihoods and deviances of latent class models that others found: R's poLCA 1.6.0.2, and direct optimisation."""

import numpy as np
import pandas as pd
import pytest

from emkit import LatentClass
from support.datasets import FOLDER

# classes: log-likelihood, free parameters, L2
TITANIC = {
    1: (-5773.348732642473, 6, 1243.663231191902),
    2: (-5327.327336989747, 13, 351.6204398864502),
    3: (-5202.774103340841, 20, 102.51397258863835),
}
SURVEY = {2: (-2385.415679440952, 27), 3: (-2268.4764149842313, 41), 4: (-2256.3105441099797, 55)}
SURVEY_SIZES = {2: [0.28738644, 0.71261356], 3: [0.26806691, 0.27971155, 0.45222153]}


@pytest.mark.parametrize("k", TITANIC)
def test_the_titanic_as_weighted_cells(k):
    data = pd.read_csv(FOLDER / "titanic.csv")
    x, weight = data.drop(columns="count"), data["count"]
    model = LatentClass(k, random_state=0).fit(x, sample_weight=weight)
    value, free, l2 = TITANIC[k]
    assert model.result_.log_likelihood >= value - 1e-4
    assert model.result_.n_free == free
    found = model.fit_statistics(x, weight)
    assert pytest.approx(l2, abs=1e-3) == found.L2
    assert (found.df, found.n_cells, found.n_patterns, found.weight) == (31 - free, 32, 24, 2201)


def test_the_titanic_passenger_by_passenger():
    data = pd.read_csv(FOLDER / "titanic.csv")
    rows = data.loc[np.repeat(data.index, data["count"])].drop(columns="count")
    model = LatentClass(2, random_state=0).fit(rows)
    assert model.result_.log_likelihood >= TITANIC[2][0] - 1e-4
    assert pytest.approx(TITANIC[2][2], abs=1e-3) == model.fit_statistics(rows).L2


@pytest.mark.parametrize("k", SURVEY)
def test_a_survey_with_missing_answers(k):
    """poLCA with na.rm=FALSE at K=3; K=4 has many optima within a nat of the best."""
    x = pd.read_csv(FOLDER / "survey_missing.csv")
    model = LatentClass(k, random_state=0).fit(x)
    value, free = SURVEY[k]
    assert model.result_.log_likelihood >= value - 1e-4
    assert model.result_.n_free == free
    if k in SURVEY_SIZES:
        np.testing.assert_allclose(np.sort(model.weights_), SURVEY_SIZES[k], atol=2e-3)
