"""Log probabilities of a few rows by NumPy alone are those of compiled code."""

import numpy as np
import pytest

from emkit.core.block import Block
from emkit.core.compiled import compiling
from emkit.core.model import Infer
from emkit.models.bayesnet.compiled import Compiled
from emkit.models.bayesnet.evidence import codes_of
from emkit.models.bayesnet.graph import Graph
from emkit.models.bayesnet.model import BayesNet
from emkit.models.bayesnet.params import BayesNetParams
from emkit.models.bayesnet.row_by_row import logs_of_rows


@pytest.mark.parametrize("which", range(len(BayesNet.examples())))
def test_as_compiled(which):
    model = BayesNet.examples()[which]
    rng = np.random.default_rng(which)
    block = model.draw(rng, 60, len(model.graph) - len(model.hidden))
    model = model.with_values(1, block.x.shape[1])
    x = np.where(rng.random(block.x.shape) < 0.25, np.nan, block.x)
    params = model.draw_params(rng)
    codes = codes_of(x, model.columns)
    wanted = Compiled.of(model, codes, model.everything).log_probability(params.tables)
    np.testing.assert_allclose(logs_of_rows(model.layout, params.tables, codes, 1024), wanted, rtol=1e-12, atol=1e-12)
    assert logs_of_rows(model.layout, params.tables, codes, 1) is None or not (codes < 0).any()
    for always in (True, False, None):
        with compiling(always):
            found = Infer(model, params, "log_likelihood")(type(block)(x, missing=True)).log_likelihood
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("always", [True, False])
def test_a_row_that_is_all_but_impossible_is_not_impossible(always):
    """Twenty-four children of a missing node, each in a state that is all but impossible: a product below the smallest float."""
    rare = np.array([1e-14, 2e-14])
    graph = Graph(("h", *(f"x{i}" for i in range(24))), ((), *(((0,),) * 24)))
    params = BayesNetParams(np.concatenate([[0.3, 0.7], *(np.column_stack([rare, 1.0 - rare]).ravel() for _ in range(24))]))
    x = np.concatenate([np.full((2, 1), np.nan), np.zeros((2, 24))], axis=1)
    x[1, 1:] = 1.0
    logs = np.log([0.3, 0.7]) + 24.0 * np.log(rare)
    wanted = np.array([np.logaddexp(*logs), np.log(0.3 * (1.0 - 1e-14) ** 24 + 0.7 * (1.0 - 2e-14) ** 24)])
    model = BayesNet(graph, (2,) * 25)
    with compiling(always):
        stats, value = model.e_step(params, Block(x, missing=True))
        found = Infer(model, params, "log_likelihood")(Block(x, missing=True)).log_likelihood
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    assert value == pytest.approx(wanted.sum(), rel=1e-12)
    h = np.exp(logs - wanted[0]) + np.array([0.3, 0.7])
    np.testing.assert_allclose(stats.counts[:2], h, rtol=1e-10)
    np.testing.assert_allclose(stats.counts[2:4], [np.exp(logs[0] - wanted[0]), 0.3], rtol=1e-10)
