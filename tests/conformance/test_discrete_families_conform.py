"""The kit on families of counts, symbols and yes-or-no columns, on mixtures as families, and on shared distributions."""

import numpy as np
import pytest

from emkit import ArraySource, Bernoulli, Beta, Categorical, Dirichlet, Gamma, Gaussian, Mixed, Mixture, Poisson, Tied
from emkit.testing import FAMILY_LAWS, MODEL_LAWS, check_family, check_model

NAMES = [law.__name__ for law in FAMILY_LAWS]


def rows(kind: str, n: int = 90, *, missing: bool = False) -> np.ndarray:
    """Two clusters of rows (n, 2) of one kind."""
    rng = np.random.default_rng(6)
    label = rng.integers(2, size=n)
    if kind == "poisson":
        x = rng.poisson(np.array([[2.0, 9.0], [7.0, 4.0]])[label])
    elif kind == "categorical":
        x = np.column_stack([rng.binomial(3, np.array([0.3, 0.7])[label]), rng.binomial(2, np.array([0.6, 0.3])[label])])
    elif kind == "bernoulli":
        x = rng.random((n, 2)) < np.array([[0.3, 0.8], [0.7, 0.4]])[label]
    else:
        x = rng.normal(size=(n, 2)) + 4.0 * label[:, None]
    x = x.astype(float)
    if missing:
        x[rng.random(x.shape) < 0.2] = np.nan
        x[5] = np.nan
    return x


P3 = np.array([[[0.1, 0.2, 0.3, 0.4], [0.5, 0.3, 0.2, 0.0]], [[0.4, 0.3, 0.2, 0.1], [0.2, 0.3, 0.5, 0.0]]])
FAMILIES = {
    "poisson": ("poisson", Poisson()),
    "poisson, prior": ("poisson", Poisson(Gamma(2.0, 0.5))),
    "poisson, fixed": ("poisson", Poisson(Gamma(2.0, 0.5), {"rates": [[2.0, 9.0], [7.0, 4.0]]})),
    "categorical": ("categorical", Categorical()),
    "categorical, prior": ("categorical", Categorical((4, 3), Dirichlet(2.0))),
    "categorical, fixed": ("categorical", Categorical((4, 3), None, {"probs": P3})),
    "bernoulli": ("bernoulli", Bernoulli()),
    "bernoulli, prior": ("bernoulli", Bernoulli(Beta(2.0, 3.0))),
    "bernoulli, fixed": ("bernoulli", Bernoulli(None, {"probs": [[0.3, 0.8], [0.7, 0.4]]})),
}


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "missing"])
@pytest.mark.parametrize("which", FAMILIES)
def test_family(which, missing):
    kind, family = FAMILIES[which]
    checked = check_family(family, rows(kind, missing=missing))
    left_out = set(NAMES) - set(checked)
    assert left_out <= ({"m_steps_end_where_nothing_is_to_gain", "fisher_identity"} if "fixed" in which else set())


@pytest.mark.parametrize("which", FAMILIES)
def test_mixture_of_it(which):
    kind, family = FAMILIES[which]
    checked = check_model(Mixture(family, 2, Dirichlet(2.0)), rows(kind, missing=True))
    assert checked == [law.__name__ for law in MODEL_LAWS]


@pytest.mark.parametrize("which", ["poisson, prior", "categorical, prior", "bernoulli, prior"])
def test_weighted_rows(which):
    kind, family = FAMILIES[which]
    weights = np.random.default_rng(3).gamma(2.0, size=90)
    weights[7] = 0.0
    check_family(family, ArraySource(rows(kind, missing=True), weights))


MIXED = {
    "diag": Mixed(Gaussian("diag"), 2),
    "full, prior": Mixed(Gaussian("full"), 2, Dirichlet(2.0)),
    "poisson": Mixed(Poisson(Gamma(2.0, 0.5)), 2, Dirichlet([2.0, 3.0])),
    "fixed": Mixed(Gaussian("diag", None, {"covariances": 1.0}), 2),
}


@pytest.mark.parametrize("which", MIXED)
def test_mixed(which):
    """A mixture as a family: an M-step under given responsibilities is itself one step of EM."""
    x = rows("poisson" if which == "poisson" else "gaussian", missing=True)
    checked = check_family(MIXED[which], x)
    assert set(NAMES) - set(checked) <= {"m_steps_end_where_nothing_is_to_gain", "fisher_identity"}


TIED = {
    "gaussian": ("gaussian", Tied(Gaussian("full"), (0, 1, 0))),
    "poisson": ("poisson", Tied(Poisson(Gamma(2.0, 0.5)), (0, 0, 1))),
    "categorical": ("categorical", Tied(Categorical(), (1, 0, 1))),
    "fixed": ("bernoulli", Tied(Bernoulli(None, {"probs": [[0.3, 0.8], [0.7, 0.4]]}), (0, 1, 1))),
}


@pytest.mark.parametrize("which", TIED)
def test_tied(which):
    """Three components, two distributions. Relabelling would break the ties, and is refused; every other law holds."""
    kind, family = TIED[which]
    checked = check_family(family, rows(kind, missing=True), k=3)
    left_out = {"labels_do_not_matter"} | ({"m_steps_end_where_nothing_is_to_gain"} if which == "fixed" else set())
    assert set(NAMES) - set(checked) <= left_out
