"""The likelihood-ratio test between nested fits."""

import numpy as np
import pytest
from scipy.stats import chi2
from sklearn.exceptions import NotFittedError

from emkit import GaussianHMM, GaussianMixture, MixtureOfRegressions, ParameterError, VariationalGaussianHMM, load

RNG = np.random.default_rng(0)
ONE = RNG.normal(0.3, 1.0, (80, 1))
TWO = np.concatenate([RNG.normal(0, 1, (150, 2)), RNG.normal(4, 1.5, (150, 2))])


@pytest.fixture(scope="module")
def shapes():
    return {kind: GaussianMixture(2, covariance_type=kind, prior=None, random_state=0).fit(TWO) for kind in ("tied", "full")}


def test_of_one_mean_it_is_the_textbook_s():
    """n log(sum x^2 / sum (x - mean)^2), which grows with Student's t."""
    free = GaussianMixture(1, prior=None, random_state=0).fit(ONE)
    at_zero = GaussianMixture(1, prior=None, fixed={"means": [[0.0]]}, random_state=0).fit(ONE)
    found = free.compare_lr_test(at_zero)
    expected = 80 * np.log((ONE**2).sum() / ((ONE - ONE.mean()) ** 2).sum())
    assert found.statistic == pytest.approx(expected, rel=1e-9) and found.df == 1
    assert found.p == pytest.approx(chi2.sf(expected, 1))
    assert str(found).startswith("likelihood ratio ")


def test_of_shapes_it_is_twice_the_difference(shapes, tmp_path):
    found = shapes["full"].compare_lr_test(shapes["tied"])
    gain = shapes["full"].result_.log_likelihood - shapes["tied"].result_.log_likelihood
    assert found.statistic == 2.0 * gain and found.df == 3 and found.p < 0.01
    for kind, fitted in shapes.items():
        fitted.save(tmp_path / kind)
    assert load(tmp_path / "full").compare_lr_test(load(tmp_path / "tied")) == found


def test_of_a_covariate_p_is_uniform_where_it_says_nothing():
    p = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(60, 2)), rng.normal(size=60)
        with_it, without = (MixtureOfRegressions(1, prior=None, random_state=0).fit(x[:, :q], y) for q in (2, 1))
        p.append(with_it.compare_lr_test(without).p)
    assert 0.35 < np.mean(p) < 0.65 and 0 < np.mean(np.array(p) < 0.25) < 0.45


def test_what_has_no_such_distribution_is_refused(shapes):
    full = shapes["full"]
    three = GaussianMixture(3, n_init=1, prior=None, random_state=0).fit(TWO)
    with pytest.raises(ParameterError, match="likelihood_ratio_test finds its distribution by bootstrap"):
        three.compare_lr_test(full)
    with pytest.raises(ParameterError, match=r"11 free parameters, and the model that .* 8: the latter must be the one with more"):
        shapes["tied"].compare_lr_test(full)
    with pytest.raises(ParameterError, match="fits to other data: 299 rows"):
        full.compare_lr_test(GaussianMixture(2, covariance_type="tied", random_state=0).fit(TWO[:-1]))
    with pytest.raises(ParameterError, match="give a fitted estimator"):
        full.compare_lr_test("tied")
    with pytest.raises(ParameterError, match="no special case"):
        full.compare_lr_test(GaussianHMM(2, n_init=1, random_state=0).fit(TWO))
    by_hand = GaussianMixture(2)
    by_hand.weights_, by_hand.means_, by_hand.covariances_ = full.weights_, full.means_, full.covariances_
    with pytest.raises(ParameterError, match="set by hand"):
        full.compare_lr_test(by_hand)
    with pytest.raises(ParameterError, match="rows that partial_fit learnt from are gone"):
        full.compare_lr_test(GaussianMixture(2, covariance_type="diag").partial_fit(TWO))
    with pytest.raises(NotFittedError):
        full.compare_lr_test(GaussianMixture(2))
    bayes = VariationalGaussianHMM(2, n_init=1, random_state=0).fit(TWO)
    with pytest.raises(ParameterError, match="lower bound"):
        bayes.compare_lr_test(bayes)


def test_a_larger_model_that_is_worse_is_at_a_local_optimum(shapes):
    bad = GaussianMixture(2, prior=None, init={"means": [[0.0, 0.0], [0.0, 0.1]]}, max_iter=2, random_state=0)
    with pytest.warns(UserWarning, match="max_iter"):
        bad.fit(TWO)
    with pytest.warns(UserWarning, match=r"local optimum|not converged"):
        found = bad.compare_lr_test(shapes["tied"])
    assert found.statistic == 0.0 and found.p == 1.0


def test_criteria_after_partial_fit_are_of_the_data_that_are_given():
    from emkit.execute.threads import Threads
    from emkit.selection.criteria import criteria

    stream = GaussianMixture(2, random_state=0)
    for _ in range(3):
        stream.partial_fit(TWO)
    found = criteria(stream.result_, stream._new(TWO), Threads(1))
    assert found.bic == pytest.approx(stream.bic(TWO)) and found.log_likelihood == pytest.approx(stream.score(TWO) * len(TWO))
