"""BIC tables of mclust 6.0.0 (R) for the six covariance structures we share with it, one to five components.

mclust starts from hierarchical clustering and stops at the nearest local optimum, so its values are floors. Sign: its BIC is
minus ours.
"""

import csv

import numpy as np
import pytest

from emkit import GaussianMixture
from support.datasets import FOLDER

TYPES = {"EII": "tied-spherical", "VII": "spherical", "EEI": "tied-diag", "VVI": "diag", "EEE": "tied", "VVV": "full"}


def table(data):
    """{(structure, components): BIC in mclust's sign, NaN where mclust gave up}."""
    with open(FOLDER / f"{data}_mclust_bic.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    values = {(name, int(row["G"])): row[name] for row in rows for name in TYPES}
    return {key: np.nan if value == "NA" else float(value) for key, value in values.items()}


CASES = [(data, name, k) for data in ("faithful", "iris") for name in TYPES for k in range(1, 6)]


def test_the_tables_have_no_gaps_here():
    """mclust printed NA for some structures, none of which is asked for below: no case passes for want of a number."""
    assert all(np.isfinite(table(data)[name, k]) for data, name, k in CASES)
    assert len(CASES) == 60


@pytest.mark.parametrize(("data", "name", "k"), CASES)
def test_bic_is_matched_or_beaten(datasets, data, name, k):
    x = datasets[data]
    gm = GaussianMixture(
        k, covariance_type=TYPES[name], prior=None, n_init=16, tol=1e-3, max_iter=5000, random_state=0
    ).fit(x)  # fmt: skip
    # Maximum likelihood is unbounded for free variances. Starts that run into a singularity are given up (they are in the table of
    # starts); what is reported must be an interior maximum, and no component may sit on a point.
    assert gm.converged_
    narrowest = np.sqrt(np.min(1.0 / np.max(np.linalg.eigvalsh(_precisions(gm, x.shape[1])), axis=-1)))
    assert narrowest > 1e-3 * x.std(axis=0).min()
    assert -gm.bic() >= table(data)[name, k] - 0.05


def _precisions(gm, d):
    """All six structures as (K, d, d)."""
    p, k = np.asarray(gm.precisions_), gm.n_components
    return {
        "full": lambda: p,
        "tied": lambda: p[None],
        "diag": lambda: p[:, :, None] * np.eye(d),
        "tied-diag": lambda: np.diag(p)[None],
        "spherical": lambda: p[:, None, None] * np.eye(d),
        "tied-spherical": lambda: np.broadcast_to(p * np.eye(d), (k, d, d)),
    }[gm.covariance_type]()


@pytest.mark.parametrize("data", ["faithful", "iris"])
@pytest.mark.parametrize("name", list(TYPES))
def test_one_component_is_exact(datasets, data, name):
    """No hidden variable, closed form: here mclust's value is not a floor but the answer."""
    gm = GaussianMixture(1, covariance_type=TYPES[name], prior=None).fit(datasets[data])
    assert -gm.bic() == pytest.approx(table(data)[name, 1], abs=1e-6)
