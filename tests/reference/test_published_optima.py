"""Likelihoods that others published. A number found by somebody's local search is a floor, not a target: ours may be better.

BIC in mclust's sign is 2 LL - parameters ln n, higher is better: minus ours.
"""

import numpy as np
import pytest

from emkit import GaussianMixture

# mclust's name of the covariance structure -> ours
TYPES = {"EEE": "tied", "VVV": "full", "VVI": "diag"}

# data, structure, components, log-likelihood, BIC in mclust's sign
OPTIMA = [
    ("faithful", "VVV", 1, -1289.7967, -2607.623),
    ("faithful", "VVV", 2, -1130.2640, -2322.192),
    ("faithful", "EEE", 2, -1140.1868, -2325.220),
    ("faithful", "EEE", 3, -1126.3159, -2314.296),
    ("faithful", "VVI", 2, -1147.8064, -2346.065),
    ("faithful", "VVV", 3, -1119.214, -2333.727),  # mclust stops at a poorer one, BIC -2349.696
    ("iris", "VVV", 2, -214.3547, -574.0178),
    ("iris", "VVV", 3, -180.1855, -580.8389),
    ("iris", "EEE", 3, -256.3540, -632.9633),
    ("iris", "VVI", 3, -307.1776, -744.6317),
]


def fit(x, k, covariance_type):
    """Maximum likelihood, no regularisation, many starts, to the last digit."""
    return GaussianMixture(
        k, covariance_type=covariance_type, prior=None, n_init=16, tol=1e-7, max_iter=5000, random_state=0
    ).fit(x)  # fmt: skip


@pytest.mark.parametrize(("data", "structure", "k", "log_likelihood", "bic"), OPTIMA)
def test_published_likelihood_is_reached(datasets, data, structure, k, log_likelihood, bic):
    gm = fit(datasets[data], k, TYPES[structure])
    assert gm.converged_  # at an interior maximum, not on the way to a singular one
    assert gm.result_.log_likelihood >= log_likelihood - 1e-3
    assert -gm.bic() >= bic - 2e-3


@pytest.mark.parametrize(("data", "structure", "k", "log_likelihood"), [row[:4] for row in OPTIMA if row[2] < 3])
def test_the_easy_optima_are_the_published_ones(datasets, data, structure, k, log_likelihood):
    """With one or two components nobody has found anything better; a higher value would be an error of ours."""
    assert fit(datasets[data], k, TYPES[structure]).result_.log_likelihood == pytest.approx(log_likelihood, abs=1e-3)


PRINTED = {  # what mclust prints for faithful EEE,3, the model it selects
    "weights": np.array([0.1656784, 0.3563696, 0.4779520]),
    "means": np.array([[3.793066, 77.521051], [2.037596, 54.491158], [4.463245, 80.833439]]),
    "covariances": np.array([[0.07825448, 0.4801979], [0.4801979, 33.7671464]]),
}


def m_step_from(x, params):
    """One EM update of the tied model."""
    start = {f"{name}_init": value for name, value in params.items()}
    gm = GaussianMixture(3, covariance_type="tied", prior=None, tol=0, max_iter=1, **start).fit(x)
    return {"weights": gm.weights_, "means": gm.means_, "covariances": gm.covariances_}


def judge(x, params):
    """BIC and ICL in mclust's sign and the cluster sizes, at given parameters."""
    gm = GaussianMixture(3, covariance_type="tied", fixed=params, tol=0, max_iter=0).fit(x)
    assert gm.result_.n_free == 0  # all is held; mclust counts 2 weights, 6 means and 3 covariances
    price = 11 * np.log(len(x))
    return -gm.bic() - price, -gm.icl(x) - price, np.bincount(gm.predict(x)).tolist()


def test_faithful_with_three_components_of_one_shape_as_printed(datasets):
    """mclust stops early (0.01 nats short), and prints the BIC, ICL and sizes of its last E-step beside the parameters of the
    M-step after it.

    The hypothesis of that E-step is found by going one update back, along the direction in which EM converges last.
    """
    x = datasets["faithful"]
    ahead = m_step_from(x, PRINTED)
    rate = (m_step_from(x, ahead)["weights"] - ahead["weights"])[0] / (ahead["weights"] - PRINTED["weights"])[0]
    before = {name: PRINTED[name] - (ahead[name] - PRINTED[name]) / rate for name in PRINTED}
    for name, value in m_step_from(x, before).items():
        np.testing.assert_allclose(value, PRINTED[name], rtol=1e-3)  # it is the hypothesis before
    bic, icl, sizes = judge(x, before)
    assert bic == pytest.approx(-2314.316, abs=2e-3)
    assert icl == pytest.approx(-2357.824, abs=1e-2)
    assert sizes == [40, 97, 135]


def test_faithful_with_three_components_of_one_shape_fitted(datasets):
    """Ours goes on to the optimum that mclust was heading for: the printed numbers to two or three digits, a better likelihood."""
    x = datasets["faithful"]
    gm = fit(x, 3, "tied")
    order = np.argsort(gm.weights_)
    np.testing.assert_allclose(gm.weights_[order], PRINTED["weights"], atol=0.005)
    np.testing.assert_allclose(gm.means_[order], PRINTED["means"], rtol=0.005)
    np.testing.assert_allclose(gm.covariances_, PRINTED["covariances"], rtol=0.03)
    assert -gm.bic() > judge(x, PRINTED)[0] > -2314.316
    # At the optimum one eruption on the border belongs to the smallest group instead of the largest.
    assert np.bincount(gm.predict(x))[order].tolist() == [41, 97, 134]
    assert -gm.icl(x) == pytest.approx(-2358.388, abs=0.01)
    # And EM from the printed parameters ends there too.
    start = {f"{name}_init": value for name, value in PRINTED.items()}
    resumed = GaussianMixture(3, covariance_type="tied", prior=None, tol=1e-7, **start).fit(x)
    assert resumed.result_.log_likelihood == pytest.approx(gm.result_.log_likelihood, abs=1e-5)


def test_faithful_waiting_times_with_equal_sd(datasets):
    """The vignette of the R package mixtools: two normals of one standard deviation."""
    gm = fit(datasets["faithful"][:, 1:], 2, "tied-spherical")
    order = np.argsort(gm.means_.ravel())
    assert gm.result_.log_likelihood == pytest.approx(-1034.00176, abs=1e-4)
    assert -gm.bic() == pytest.approx(-2090.4267, abs=1e-3)
    np.testing.assert_allclose(gm.weights_[order], [0.3608498, 0.6391502], atol=2e-5)
    np.testing.assert_allclose(gm.means_.ravel()[order], [54.61364, 80.09031], atol=2e-3)
    assert np.sqrt(gm.covariances_) == pytest.approx(5.869089, abs=1e-3)


@pytest.mark.parametrize("covariance_type", ["tied", "full", "tied-spherical"])
def test_in_one_column_shapes_with_and_without_correlations_agree(datasets, covariance_type):
    """One column has no correlations: tied is tied-spherical, and full is spherical."""
    x = datasets["faithful"][:, 1:]
    twin = {"tied": "tied-diag", "full": "spherical", "tied-spherical": "tied-diag"}[covariance_type]
    one, other = (fit(x, 2, kind).result_.log_likelihood for kind in (covariance_type, twin))
    assert one == pytest.approx(other, abs=1e-6)


def test_criteria_select_what_mclust_selects_among_these(datasets):
    """Over the six structures and one to four components, BIC prefers three of one shape for faithful."""
    x = datasets["faithful"]
    kinds = ("tied-spherical", "spherical", "tied-diag", "diag", "tied", "full")
    bics = {}
    for kind in kinds:
        for k in (1, 2, 3, 4):
            gm = GaussianMixture(k, covariance_type=kind, prior=None, random_state=0).fit(x)
            bics[kind, k] = gm.bic()
    assert min(bics, key=bics.get) == ("tied", 3)


def test_a_default_fit_finds_these_optima_too(datasets):
    """Eight starts, the weak prior, the default tolerance: what a user gets without asking."""
    for data, kind, k, log_likelihood in (
        ("faithful", "full", 2, -1130.264),
        ("iris", "full", 2, -214.3547),
        ("iris", "tied", 3, -256.354),
    ):
        gm = GaussianMixture(k, covariance_type=kind, random_state=0).fit(datasets[data])
        # The prior is two pseudo-observations in n; the likelihood at its mode is a little under the maximum.
        assert log_likelihood - 0.1 < gm.result_.log_likelihood <= log_likelihood + 1e-3
