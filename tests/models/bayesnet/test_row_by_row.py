"""Log probabilities of a few rows by NumPy alone are those of compiled code."""

import numpy as np
import pytest

from emkit.core.compiled import compiling
from emkit.core.model import Infer
from emkit.models.bayesnet.compiled import Compiled
from emkit.models.bayesnet.evidence import codes_of
from emkit.models.bayesnet.model import BayesNet
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
