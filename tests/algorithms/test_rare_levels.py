"""What a sample of the rows does not show is not impossible: starts are tried on samples, and EM never leaves a zero."""

import numpy as np
import pytest

from emkit import HMM, BayesianNetwork, LatentClass
from emkit.core.parameters import Simplex, Unit
from emkit.data.rows import ArraySource
from emkit.families.categorical import Categorical
from emkit.models.bayesnet.graph import Graph
from emkit.models.bayesnet.model import BayesNet
from emkit.models.bayesnet.params import BayesNetParams
from emkit.models.mixture import FiniteMixture


def with_rare(rng, n, d, often, rare):
    """Columns of a few levels, two cells of the first one a further level."""
    x = rng.integers(0, often, (n, d))
    x[rng.choice(n, 2, replace=False), 0] = rare
    return x


def test_a_level_that_two_rows_in_thirty_thousand_have():
    rng = np.random.default_rng(0)
    x = with_rare(rng, 30_000, 3, 2, 2)
    x[:, 1] = np.where(rng.random(len(x)) < 0.8, x[:, 0], x[:, 1])
    holes = x.astype(float)
    holes[rng.random(x.shape) < 0.1] = np.nan
    for fitted in (
        BayesianNetwork("x0->x1, x1->x2", random_state=0).fit(holes),
        BayesianNetwork("H->x0, H->x1, H->x2", latent={"H": 2}, n_init=3, max_iter=60, random_state=0, tol=1.0).fit(holes),
        HMM(2, emission="categorical", prior=None, random_state=0, tol=1.0, max_iter=60).fit(x[:, :1], lengths=[100] * 300),
        LatentClass(2, prior=None, random_state=0, tol=1.0, max_iter=60).fit(x),
    ):
        assert np.isfinite(fitted.result_.log_likelihood), fitted


def test_starts_from_a_sample_are_no_worse_than_a_start_from_all():
    """Tables of a network whose first column decides the second but for three rows, which the sample lacks."""
    rng = np.random.default_rng(1)
    x = rng.integers(0, 3, (20_000, 2)).astype(float)
    x[:, 1] = x[:, 0]
    x[[5, 50, 500], 1] = (x[[5, 50, 500], 0] + 1) % 3
    x[rng.random(x.shape) < 0.1] = np.nan
    many, one = (BayesianNetwork("x0->x1", n_init=n, random_state=0).fit(x).result_.log_likelihood for n in ("auto", 1))
    assert many == pytest.approx(one, abs=0.01)


def test_vectors_without_zeros_stay_to_the_bit():
    value = np.array([[0.2, 0.8], [0.0, 1.0]])
    wide = Simplex().widened(value)
    assert (wide[0] == value[0]).all() and 0 < wide[1, 0] < 1e-6 and wide[1].sum() == pytest.approx(1, abs=1e-15)
    np.testing.assert_allclose(Unit().widened(np.array([0.0, 0.5, 1.0])), [1e-6, 0.5, 1 - 1e-6])


def test_zeros_that_are_held_or_given_stay():
    graph = Graph(("a", "b"), ((), (0,)))
    tables = np.array([1.0, 0.0, 0.0, 1.0, 1.0, 0.0])
    held = BayesNet(graph, (2, 2), fixed={"b": [[0.0, 1.0], [np.nan, np.nan]]}).with_values(1, 2)
    wide = held.widened(BayesNetParams(tables)).tables
    assert wide[1] > 0 and wide[2] == 0 and wide[5] > 0
    given = BayesNet(graph, (2, 2), start_values={"b": np.array([[0.0, 1.0], [1.0, 0.0]])})
    wide = given.widened(BayesNetParams(tables)).tables
    assert wide[1] > 0 and (wide[2:] == tables[2:]).all()


def test_parts_of_a_model_are_widened_too():
    model = FiniteMixture(Categorical(), 2)
    rng = np.random.default_rng(0)
    source = ArraySource(rng.integers(0, 3, (50, 2)).astype(float))
    model = model.resolve(source)
    params = model.init(source, rng)
    values = model.shown(params)
    name = next(name for name in values if name not in ("weights",))
    values[name] = np.where(values[name] < 0.3, 0.0, values[name])
    values[name] /= values[name].sum(axis=-1, keepdims=True)
    wide = model.shown(model.widened(model.unshown(values, 2, 2)))
    assert (np.asarray(wide[name]) > 0).all()
