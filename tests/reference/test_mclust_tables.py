"""BIC tables of mclust 6.0.0 (R): the six structures that scikit-learn's users know, one to five components; cells of all others.

mclust starts from hierarchical clustering and stops at the nearest local optimum, so its values are floors. Sign: its BIC is
minus ours.
"""

import csv
import json

import numpy as np
import pytest

from emkit import GaussianMixture
from emkit.families.gaussian.covariance_types import MCLUST
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


BEST = json.loads((FOLDER / "mclust_shapes_best_known.json").read_text())
CELLS = [
    ("faithful", "EEE", 3), ("faithful", "VVE", 2), ("faithful", "EVI", 3), ("faithful", "EEV", 2), ("iris", "VEV", 2),
    ("iris", "VEV", 3), ("iris", "VEE", 3), ("iris", "EVE", 2), ("iris", "EVV", 2), ("iris", "VEI", 4),
]  # fmt: skip


@pytest.mark.parametrize(("data", "name", "k"), CELLS)
def test_default_starts_reach_the_best_known_value(datasets, data, name, k):
    """The whole grid is ``python -m benchmarks shapes``."""
    gm = GaussianMixture(k, covariance_type=name, prior=None, random_state=0).fit(datasets[data])
    assert gm.converged_ and -gm.bic() >= BEST[data][name][str(k)] - 0.05


@pytest.mark.parametrize("name", MCLUST)
def test_one_component_of_every_shape(datasets, name):
    """Without hidden variables all shapes of a kind are one: mclust's values are the answer."""
    gm = GaussianMixture(1, covariance_type=name, prior=None).fit(datasets["faithful"])
    exact = {"I": -3055.83486150179, "E": -2607.62250043671, "V": -2607.62250043671}
    expected = -4024.72147936796 if name[1:] == "II" else exact[name[2]]
    assert -gm.bic() == pytest.approx(expected, abs=1e-6)
