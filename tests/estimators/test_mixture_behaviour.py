"""What GaussianMixture promises beyond scikit-learn's conventions: starts, stopping, reporting, bits."""

import tracemalloc
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from emkit import CollapseError, GaussianMixture, Monitor, NormalInverseWishart, StopReason, TimeLimit, Trace
from emkit.data.tables import read_table
from support.compiled import worth_compiling

TYPES = ["full", "tied", "diag", "spherical", "tied-diag", "tied-spherical"]
START = {
    "weights_init": [0.2, 0.3, 0.5],
    "means_init": [[0.0, 1.0], [3.0, 0.0], [0.0, 4.0]],
    "covariances_init": np.stack([np.eye(2), 2 * np.eye(2), 3 * np.eye(2)]),
}


def big(n=100_000, d=8, dtype=np.float64):
    """Several blocks of rows, and enough of them for compiled code."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, d))
    x[: n // 2] += 2.0
    assert worth_compiling(n, 2, d)
    return x.astype(dtype)


def by_place(means):
    """An order of the three groups of ``blobs`` that does not depend on their labels."""
    return np.argsort((means[:, 1] > 2.5) * 10 + means[:, 0])


# --- starts -----------------------------------------------------------------------------------------------------------


def test_starting_values_are_where_it_starts(blobs):
    trace = Trace()
    GaussianMixture(3, monitors=[trace], **START).fit(blobs)
    first = trace.steps[0]
    assert first.iteration == 0
    np.testing.assert_array_equal(first.params.weights, START["weights_init"])
    np.testing.assert_array_equal(first.params.components.means, START["means_init"])
    np.testing.assert_array_equal(first.params.components.covariances, START["covariances_init"])


def test_precisions_are_inverse_covariances(blobs):
    precisions = {**START, "precisions_init": np.linalg.inv(START["covariances_init"])}
    del precisions["covariances_init"]
    one, other = GaussianMixture(3, **START).fit(blobs), GaussianMixture(3, **precisions).fit(blobs)
    np.testing.assert_allclose(one.means_, other.means_, rtol=1e-10)


def test_with_everything_given_there_is_one_start(blobs):
    assert len(GaussianMixture(3, n_init=8, **START).fit(blobs).result_.starts) == 1


def test_what_is_not_given_is_guessed(blobs):
    trace = Trace()
    gm = GaussianMixture(3, means_init=START["means_init"], n_init=1, monitors=[trace], random_state=0).fit(blobs)
    np.testing.assert_array_equal(trace.steps[0].params.components.means, START["means_init"])
    assert gm.converged_


@pytest.mark.parametrize("init_params", ["auto", "kmeans", "k-means++", "random_from_data", "hierarchical", "random"])
def test_every_kind_of_start_finds_the_groups(blobs, init_params):
    for n_init, mixed in (
        (8, {"kmeans", "k-means++", "random_from_data", "hierarchical", "related"}),
        ("auto", {"k-means++", "plain k-means++", "random_from_data"}),
    ):
        gm = GaussianMixture(3, init_params=init_params, n_init=n_init, random_state=0).fit(blobs)
        np.testing.assert_allclose(gm.means_[by_place(gm.means_)], [[0, 0], [4, 0], [0, 5]], atol=0.6)
        assert {start.kind for start in gm.result_.starts} == (mixed if init_params == "auto" else {init_params})


def test_the_table_of_starts_tells_the_best(blobs):
    result = GaussianMixture(3, n_init=6, random_state=0).fit(blobs).result_
    assert [start.index for start in result.starts] == list(range(6))
    finished = [start.objective for start in result.starts if start.finished]
    assert max(finished) == result.objective
    assert f"best optimum {result.objective:.8g} reached by" in result.starts_summary()


def test_warm_start_goes_on_where_it_stopped(blobs):
    whole = GaussianMixture(3, tol=0, max_iter=10, **START).fit(blobs)
    halves = GaussianMixture(3, tol=0, max_iter=5, warm_start=True, **START).fit(blobs)
    middle = halves.result_.objective
    halves.fit(blobs)
    assert halves.result_.trace[0] == middle
    np.testing.assert_array_equal(halves.means_, whole.means_)
    np.testing.assert_array_equal(halves.covariances_, whole.covariances_)


def test_warm_start_with_another_number_of_components_starts_afresh(blobs):
    gm = GaussianMixture(3, warm_start=True, random_state=0).fit(blobs)
    gm.set_params(n_components=2).fit(blobs)
    np.testing.assert_array_equal(gm.means_, GaussianMixture(2, random_state=0).fit(blobs).means_)


# --- stopping -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_init", [1, 4])
@pytest.mark.parametrize("max_iter", [0, 1, 17])
def test_tol_zero_makes_exactly_max_iter_iterations(blobs, n_init, max_iter):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # that is what was asked for: nothing to warn about
        gm = GaussianMixture(3, tol=0, max_iter=max_iter, n_init=n_init, random_state=0).fit(blobs)
    assert gm.n_iter_ == max_iter
    assert len(gm.lower_bounds_) == max_iter + 1
    assert gm.result_.reason is StopReason.MAX_ITER


def test_too_few_iterations_warn_at_the_callers_line(blobs):
    with pytest.warns(ConvergenceWarning, match=r"max_iter.*after 2 iterations.*nats still to gain.*raise max_iter") as caught:
        gm = GaussianMixture(3, max_iter=2, n_init=1, random_state=0).fit(blobs)
    assert not gm.converged_
    assert caught[0].filename == __file__


def test_tol_is_in_nats_of_the_total(blobs):
    """At the stop, what is left to gain is less than tol, as a run without a stop rule shows."""
    limit = GaussianMixture(3, tol=0, max_iter=2000, **START).fit(blobs).result_.objective
    for tol in (1.0, 1e-2, 1e-4):
        gm = GaussianMixture(3, tol=tol, **START).fit(blobs)
        assert gm.converged_
        assert 0 <= limit - gm.result_.objective + 1e-9 < 2 * tol  # the gain to come is an estimate


def test_the_objective_never_falls(blobs, holes):
    for x in (blobs, holes):
        for prior in ("weak", None, NormalInverseWishart(5.0, 1.0, mean_mass=0.01)):
            trace = np.array(GaussianMixture(3, prior=prior, tol=0, max_iter=60, **START).fit(x).result_.trace)
            assert np.diff(trace).min() > -1e-12 * abs(trace[-1])


def test_a_monitor_may_stop_the_fit_and_the_best_is_kept(blobs):
    class AfterThree(Monitor):
        def step(self, step):
            return StopReason.STOPPED if step.iteration == 3 else None

    trace = Trace()
    with pytest.warns(ConvergenceWarning, match="stopped by a monitor"):
        gm = GaussianMixture(3, monitors=[AfterThree(), trace], **START).fit(blobs)
    assert gm.result_.reason is StopReason.STOPPED
    assert gm.n_iter_ == 3
    assert gm.means_.tolist() == trace.steps[3].params.components.means.tolist()


def test_no_time_at_all_still_gives_a_model(blobs):
    with pytest.warns(ConvergenceWarning, match="time limit"):
        gm = GaussianMixture(3, monitors=[TimeLimit(0)], random_state=0, n_init=1).fit(blobs)
    assert gm.result_.reason is StopReason.TIME_LIMIT
    assert np.isfinite(gm.score(blobs))


def test_the_trace_shows_every_step(blobs):
    trace = Trace()
    gm = GaussianMixture(3, monitors=[trace], **START).fit(blobs)
    assert [step.iteration for step in trace.steps] == list(range(gm.n_iter_ + 1))
    assert tuple(step.objective for step in trace.steps) == gm.result_.trace


# --- what is reported ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "weighted", "holes", "float32", "large"])
def test_score_is_exactly_the_reported_log_likelihood(blobs, holes, kind):
    """Not the one before the last M-step, and not nearly: the same bits."""
    x = {"holes": holes, "float32": blobs.astype(np.float32), "large": big()}.get(kind, blobs)
    weight = np.random.default_rng(1).uniform(0, 3, len(x)) if kind == "weighted" else None
    gm = GaussianMixture(2, n_init=2, random_state=0).fit(x, sample_weight=weight)
    result = gm.result_
    assert gm.score(x, sample_weight=weight) == result.log_likelihood / result.total_weight == gm.lower_bound_
    assert result.objective == result.trace[-1] == result.log_likelihood + result.log_prior
    if weight is None:
        assert gm.bic(x) == gm.bic()
        assert gm.aic(x) == gm.aic()
        assert gm.score_samples(x).sum() == pytest.approx(result.log_likelihood, rel=1e-12 if kind != "float32" else 1e-6)


def test_criteria_by_their_formulas(blobs):
    gm = GaussianMixture(3, random_state=0).fit(blobs)
    free = 2 + 3 * 2 + 3 * 3  # weights, means, covariances
    total = gm.score_samples(blobs).sum()
    assert gm.result_.n_free == free
    assert gm.bic(blobs) == pytest.approx(-2 * total + free * np.log(len(blobs)))
    assert gm.aic(blobs) == pytest.approx(-2 * total + 2 * free)
    # ICL = BIC + twice the entropy-like price of assigning each row to its most probable component.
    assert gm.icl(blobs) == pytest.approx(gm.bic(blobs) - 2 * np.log(gm.predict_proba(blobs).max(axis=1)).sum())
    assert gm.icl(blobs) > gm.bic(blobs)


FREE_COVARIANCES = {"full": 9, "tied": 3, "diag": 6, "spherical": 3, "tied-diag": 2, "tied-spherical": 1}


@pytest.mark.parametrize("covariance_type", TYPES)
def test_fixed_parameters_are_held_and_not_counted(blobs, covariance_type):
    values = {"weights": np.array([0.2, 0.3, 0.5]), "means": np.array(START["means_init"]), "covariances": 1.5}
    free = {"weights": 2, "means": 6, "covariances": FREE_COVARIANCES[covariance_type]}
    settings = {"covariance_type": covariance_type, "n_init": 1, "random_state": 0}
    for held in ((), ("weights",), ("means",), ("covariances",), ("weights", "means"), tuple(values)):
        gm = GaussianMixture(3, fixed={name: values[name] for name in held}, **settings).fit(blobs)
        assert gm.result_.n_free == sum(count for name, count in free.items() if name not in held)
        if "weights" in held:
            np.testing.assert_array_equal(gm.weights_, values["weights"])
        if "means" in held:
            np.testing.assert_array_equal(gm.means_, values["means"])
        if "covariances" in held:
            unit = {"full": np.stack([np.eye(2)] * 3), "tied": np.eye(2)}.get(covariance_type, np.ones(gm.covariances_.shape))
            np.testing.assert_array_equal(gm.covariances_, 1.5 * unit)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_precisions_belong_to_the_covariances(blobs, covariance_type):
    gm = GaussianMixture(3, covariance_type=covariance_type, random_state=0, n_init=1).fit(blobs)
    if covariance_type in ("full", "tied"):
        for c, p, u in zip(
            *(np.reshape(a, (-1, 2, 2)) for a in (gm.covariances_, gm.precisions_, gm.precisions_cholesky_)), strict=True
        ):
            np.testing.assert_allclose(c @ p, np.eye(2), atol=1e-12)
            np.testing.assert_allclose(u @ u.T, p, rtol=1e-12)
            assert u[1, 0] == 0  # upper triangular, as scikit-learn has it
    else:
        np.testing.assert_allclose(gm.covariances_ * gm.precisions_, 1.0)
        np.testing.assert_allclose(gm.precisions_cholesky_**2, gm.precisions_)


def test_summary_says_prior_starts_and_reason(blobs):
    text = GaussianMixture(3, random_state=0, n_init=5).fit(blobs).summary()
    assert text.splitlines()[0] == "Gaussian mixture: 3 components, full covariance, 2 columns, 1200 rows"
    assert "converged: the estimated remaining gain is below tol; " in text
    assert "reached by" in text and "5" in text.split("reached by")[1]
    assert "prior: weak, 0.00167 pseudo-observations" in text
    assert "BIC" in text and "lower is better" in text
    plain = GaussianMixture(3, prior=None, fixed={"weights": [0.3, 0.3, 0.4]}, random_state=0).fit(blobs).summary()
    assert "prior: none (maximum likelihood)" in plain
    assert "fixed: weights" in plain


def test_verbose_talks_on_stderr_only(blobs, capsys):
    GaussianMixture(3, verbose=1, verbose_interval=2, tol=0, max_iter=4, **START).fit(blobs)
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split("objective")[0].strip() for line in err.splitlines()[:3]] == [f"emkit: iteration {i}" for i in (0, 2, 4)]
    assert "stopped at max_iter" in err
    GaussianMixture(3, random_state=0).fit(blobs)
    assert capsys.readouterr() == ("", "")


# --- bits -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["float64", "float32", "holes"])
def test_the_number_of_threads_does_not_change_a_bit(kind):
    x = big(dtype=np.float32 if kind == "float32" else np.float64)
    if kind == "holes":
        x[::50, 3] = np.nan
    one, two, three = (
        GaussianMixture(2, n_init=2, tol=0, max_iter=3, n_jobs=n_jobs, random_state=0).fit(x) for n_jobs in (1, 2, 3)
    )
    for other in (two, three):
        np.testing.assert_array_equal(other.means_, one.means_)
        np.testing.assert_array_equal(other.covariances_, one.covariances_)
        assert other.result_.trace == one.result_.trace
        np.testing.assert_array_equal(other.predict_proba(x[:40_000]), one.predict_proba(x[:40_000]))


def test_random_state_of_every_kind_repeats_a_fit(blobs):
    for make in (lambda: 3, lambda: np.int64(3), lambda: np.random.RandomState(3), lambda: np.random.default_rng(3)):
        fits = [GaussianMixture(4, n_init=1, random_state=make()).fit(blobs) for _ in range(2)]
        np.testing.assert_array_equal(fits[0].means_, fits[1].means_)
    seeds = [GaussianMixture(4, n_init=1, init_params="random", max_iter=1, tol=0, random_state=seed).fit(blobs) for seed in (3, 4)]
    assert not np.array_equal(seeds[0].means_, seeds[1].means_)


def test_numpys_global_random_state_is_left_alone(blobs):
    np.random.seed(0)  # noqa: NPY002 - the global state is what is watched
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    GaussianMixture(3).fit(blobs).sample(10)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_data_are_not_copied(dtype):
    x = big(3_200_000 // np.dtype(dtype).itemsize, 8, dtype)
    assert read_table(x).x is x
    gm = GaussianMixture(2, n_init=1, max_iter=2, tol=0, random_state=0)
    gm.fit(x[:100_000])  # whatever is loaded once is loaded now
    tracemalloc.start()
    gm.fit(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.7 * x.nbytes


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_float32_data_go_the_way_of_float64_data(covariance_type):
    """Parameters are float64, and rounding the data's arithmetic to float32 neither ends the fit early nor makes it fall."""
    x = big(dtype=np.float32)
    settings = {"covariance_type": covariance_type, "n_init": 1, "random_state": 0}
    narrow, wide = (GaussianMixture(2, tol=0, max_iter=20, **settings).fit(a) for a in (x, x.astype(np.float64)))
    assert narrow.n_iter_ == 20
    found, right = narrow.result_.params.components, wide.result_.params.components
    assert found.means.dtype == found.covariances.dtype == np.float64
    np.testing.assert_allclose(found.means, right.means, atol=1e-5)
    np.testing.assert_allclose(found.covariances, right.covariances, atol=1e-5)
    # Objectives of 100,000 rows agree to 0.02 nats in 1.3 million: an error that all rows shared would be ten times that.
    np.testing.assert_allclose(narrow.result_.trace, wide.result_.trace, atol=0.02)
    assert GaussianMixture(2, **settings).fit(x).converged_


# --- using ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
def test_samples_come_from_the_fitted_mixture(blobs, covariance_type):
    gm = GaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(blobs)
    x, labels = gm.sample(30_000)
    assert x.shape == (30_000, 2)
    np.testing.assert_allclose(np.bincount(labels) / 30_000, gm.weights_, atol=0.015)
    variances = [gm.covariances_[k] if covariance_type == "full" else None for k in range(3)]
    for k in range(3):
        mine = x[labels == k]
        np.testing.assert_allclose(mine.mean(axis=0), gm.means_[k], atol=5 * mine.std(axis=0).max() / np.sqrt(len(mine)))
        if variances[k] is not None:
            np.testing.assert_allclose(np.cov(mine.T, bias=True), variances[k], atol=0.12)
    # Mean log density of fresh rows is minus the entropy of the mixture, as estimated from other fresh rows.
    again = GaussianMixture(**{**gm.get_params(), "random_state": 1})
    again.__dict__.update({name: value for name, value in gm.__dict__.items() if name.endswith("_")})
    assert gm.score(x) == pytest.approx(gm.score(again.sample(30_000)[0]), abs=0.03)


def test_a_sparse_dirichlet_prior_empties_components(blobs):
    """Six components for three groups, concentration under one: weights of exactly zero are allowed, and nothing becomes NaN."""
    gm = GaussianMixture(6, weights_prior=0.01, n_init=1, random_state=0, max_iter=3, tol=0)
    # Three components far from every row, and narrow, so that nothing is theirs whatever the start.
    far = [[0, 0], [4, 0], [0, 5], [90, 0], [95, 0], [99, 0]]
    narrow = np.stack([np.eye(2)] * 6)
    few = GaussianMixture(6, weights_prior=1e-3, means_init=far, covariances_init=narrow, random_state=0, tol=0, max_iter=3)
    for fitted in (gm.fit(blobs), few.fit(blobs)):
        assert np.isfinite(fitted.means_).all()
        assert np.isfinite(fitted.score_samples(blobs)).all()
        assert fitted.weights_.sum() == pytest.approx(1.0)
    assert np.count_nonzero(few.weights_) == 3
    assert few.n_iter_ == 3  # an infinite prior density, at a weight of zero, is not a fall


# --- maximum likelihood without a prior -------------------------------------------------------------------------------------


def spiked():
    """Fifty ordinary rows and one value thirty times: a component on that value has unbounded likelihood."""
    return np.concatenate([np.random.default_rng(0).normal(size=(50, 2)), np.full((30, 2), 3.0)])


@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical"])
def test_collapse_is_a_reason_to_stop_not_a_crash(covariance_type):
    settings = {"covariance_type": covariance_type, "n_init": 1, "random_state": 0}
    with pytest.warns(ConvergenceWarning, match="collapsed onto a point.*use the default prior"):
        gm = GaussianMixture(3, prior=None, **settings).fit(spiked())
    assert gm.result_.reason is StopReason.COLLAPSED
    assert not gm.converged_
    assert np.isfinite(gm.predict_proba(spiked())).all()
    # With the default prior the same rows are no trouble.
    assert GaussianMixture(3, **settings).fit(spiked()).converged_


def test_if_every_start_collapses_the_error_gives_advice():
    corners = np.repeat([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], 5, axis=0)
    with pytest.raises(CollapseError, match=r"every start.*use the default prior, fewer components, or a simpler covariance_type"):
        GaussianMixture(4, prior=None, random_state=0).fit(corners)
    gm = GaussianMixture(4, random_state=0).fit(corners)
    assert sorted(np.bincount(gm.predict(corners)).tolist()) == [5, 5, 5, 5]


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("seed", range(3))
def test_without_a_prior_nothing_worse_than_a_collapse_happens(covariance_type, seed):
    x = np.random.default_rng(seed).normal(size=(14, 2))
    settings = {"covariance_type": covariance_type, "prior": None, "random_state": seed}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            gm = GaussianMixture(6, **settings).fit(x)
        except CollapseError:
            assert not covariance_type.startswith("tied")  # one shared covariance of 14 rows cannot be singular
            return
    assert gm.result_.reason in (StopReason.CONVERGED, StopReason.COLLAPSED, StopReason.MAX_ITER)
    assert np.isfinite(gm.score_samples(x)).all()
