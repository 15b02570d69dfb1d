"""Exponential and Poisson mixtures against the best known optima, by default settings."""

import pytest

from emkit import Exponential, Mixture
from support.kinds import OPTIMA, check_m_step, column


@pytest.mark.parametrize(
    ("case", "file", "k", "word"),
    [
        ("Poisson, quine, K=4", "quine_days", 4, "poisson"),
        ("exponential, waiting times", "waiting_times", 2, "exponential"),
    ],
)
def test_best_known_optimum(case, file, k, word):
    result = Mixture(k, word, random_state=0).fit(column(file)).result_
    assert result.log_likelihood >= OPTIMA[case]["log_likelihood"] - 1e-4
    assert result.n_free == OPTIMA[case]["n_free"]


@pytest.mark.parametrize("prior", ["weak", None])
def test_m_step(prior):
    check_m_step(Exponential(prior), column("waiting_times")[:60])
