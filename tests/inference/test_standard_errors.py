"""Standard errors: against brute force, textbooks, and each other."""

from importlib import import_module

import numpy as np
import pandas as pd
import pytest

from emkit import (
    HMM,
    BayesianNetwork,
    Gaussian,
    GaussianHMM,
    GaussianMixture,
    LatentClass,
    MeasuredNormal,
    Mixture,
    MultivariateT,
    ParameterError,
    Tied,
    VariationalGaussianHMM,
    stream,
)
from emkit._names import MODULES, group
from emkit.algorithms.em import EM
from emkit.core.fit import Problem
from emkit.execute.threads import Threads
from emkit.inference.coordinates import Coordinates, evaluator
from emkit.inference.information import _by_values, observed_information
from emkit.testing import draw

EXAMPLES = [
    pytest.param(example, id=f"{name}-{i}")
    for name in group("models")
    for i, example in enumerate(getattr(import_module(MODULES[name]), name).examples())
]
SLOPE = np.array([1.0, -8.0, 0.0, 8.0, -1.0]) / 12.0
BEND = np.array([-1.0, 16.0, -30.0, 16.0, -1.0]) / 12.0


def brute_force(value, at, steps):
    """Second derivatives by five-point stencils of values."""
    found = np.zeros((len(at), len(at)))
    for i in range(len(at)):
        for j in range(i + 1):
            moves = [np.eye(len(at))[i] * steps[i], np.eye(len(at))[j] * steps[j]]
            if i == j:
                total = sum(c * value(at + a * moves[0]) for c, a in zip(BEND, range(-2, 3), strict=True))
            else:
                pairs = [
                    (c * e, a, b)
                    for c, a in zip(SLOPE, range(-2, 3), strict=True)
                    for e, b in zip(SLOPE, range(-2, 3), strict=True)
                ]
                total = sum(c * value(at + a * moves[0] + b * moves[1]) for c, a, b in pairs if c)
            found[i, j] = found[j, i] = total / (steps[i] * steps[j])
    return found


@pytest.mark.parametrize("model", EXAMPLES)
def test_information_is_minus_the_second_derivatives_of_the_objective(model):
    source, executor = draw(model, rows=40, weighted=True, seed=1), Threads(1)
    model = model.resolve(source)
    problem = Problem(model, source, executor)
    step = EM().begin(problem, model.init(source, np.random.default_rng(0)))
    for _ in range(3):
        step = EM().advance(problem, step)
    evaluate = evaluator(model, source, executor)
    coordinates = Coordinates.of(model, step.params, evaluate)
    if not np.isfinite(coordinates.at).all():
        pytest.skip("a parameter at infinity")
    few = np.arange(min(len(coordinates.at), 6))  # the first ones, and their pairs

    def value(moved):
        vector = coordinates.at.copy()
        vector[few] = moved
        params = coordinates.hypothesis(vector)
        return evaluate(params)[1] + model.log_prior(params)

    information = observed_information(coordinates, evaluate)[np.ix_(few, few)]
    wanted = -brute_force(value, coordinates.at[few], 0.03 * coordinates.steps[few])
    units = np.outer(coordinates.steps[few], coordinates.steps[few])
    np.testing.assert_allclose(information * units, wanted * units, atol=1e-5 * max(1.0, np.abs(wanted * units).max()))


def two_groups(n=400, seed=0, d=2):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(0, 1, (n - n // 3, d)), rng.normal(4, 1.5, (n // 3, d))])


@pytest.fixture(scope="module")
def mixture():
    return GaussianMixture(2, random_state=0, prior=None, tol=1e-8).fit(two_groups())


def test_one_component_has_the_errors_of_textbooks():
    x = two_groups(300)
    model = GaussianMixture(1, prior=None, tol=1e-9).fit(x)
    found, variances = model.standard_errors(x), np.diag(model.covariances_[0])
    np.testing.assert_allclose(found["means"][0], np.sqrt(variances / 300), rtol=1e-6)
    np.testing.assert_allclose(np.diag(found["covariances"][0]), variances * np.sqrt(2 / 300), rtol=1e-6)
    off = np.sqrt((variances.prod() + model.covariances_[0][0, 1] ** 2) / 300)
    np.testing.assert_allclose(found["covariances"][0][0, 1], off, rtol=1e-6)
    assert np.isnan(found["weights"]).all()


def test_of_a_proportion():
    x = np.where(np.arange(200) < 60, "yes", "no")[:, None]
    found = LatentClass(1).fit(x).standard_errors(x)
    np.testing.assert_allclose(found["probs"].ravel(), np.sqrt(0.3 * 0.7 / 200), rtol=1e-6)
    low, high = found.conf_int(0.95)["probs"].reshape(-1, 2)[np.argmin(found.estimates["probs"])]
    half = 1.959964 / np.sqrt(200 * 0.3 * 0.7)
    odds = np.log(0.3 / 0.7)
    np.testing.assert_allclose([low, high], 1 / (1 + np.exp(-(odds + np.array([-half, half])))), rtol=1e-6)


def test_values_alone_say_nearly_the_same(mixture):
    evaluate = evaluator(mixture.model_, mixture._new(two_groups()), Threads(1))
    coordinates = Coordinates.of(mixture.model_, mixture.result_.params, evaluate)
    units = np.outer(coordinates.steps, coordinates.steps)
    np.testing.assert_allclose(
        _by_values(coordinates, evaluate) * units, observed_information(coordinates, evaluate) * units, atol=1e-2
    )


def test_a_model_that_is_right_has_a_sandwich_like_the_information():
    x = two_groups(20000)
    model = GaussianMixture(2, random_state=0, prior=None).fit(x)
    np.testing.assert_allclose(model.standard_errors(x, method="sandwich")["means"], model.standard_errors(x)["means"], rtol=0.06)


@pytest.mark.parametrize("method", ["observed", "sandwich"])
def test_weight_two_is_the_row_twice(mixture, method):
    x = two_groups()
    twice = mixture.standard_errors(np.concatenate([x, x]), method=method)
    weighted = mixture.standard_errors(x, np.full(len(x), 2), method=method)
    np.testing.assert_allclose(weighted["means"], twice["means"], rtol=1e-7)
    np.testing.assert_allclose(mixture.standard_errors(x, method=method)["means"], np.sqrt(2) * twice["means"], rtol=1e-6)


def test_units_of_a_column_do_not_matter():
    x = two_groups()
    plain = GaussianMixture(2, random_state=0, tol=1e-8).fit(x).standard_errors(x)
    scaled = GaussianMixture(2, random_state=0, tol=1e-8).fit(x * [1e6, 1e-6]).standard_errors(x * [1e6, 1e-6])
    np.testing.assert_allclose(scaled["means"] / [1e6, 1e-6], plain["means"], rtol=1e-5)


def test_what_is_fixed_has_none():
    x = two_groups()
    model = GaussianMixture(2, fixed={"covariances": 2.0, "weights": [0.5, 0.5]}, random_state=0).fit(x)
    found = model.standard_errors(x)
    assert np.isnan(found["covariances"]).all() and np.isnan(found["weights"]).all() and np.isfinite(found["means"]).all()
    assert "covariances" not in str(found)


def test_a_probability_of_zero_is_named_and_has_none():
    x = np.array([["a", "c"], ["b", "c"]] * 30)
    found = BayesianNetwork([("x0", "x1")], states={"x0": ["a", "b"], "x1": ["c", "d"]}).fit(x).standard_errors(x)
    assert np.isnan(found["x1"]).all() and np.isfinite(found["x0"]).all()
    assert "x1[0, 0]" in found.notes[0] and "edge" in found.notes[0]


def test_what_data_do_not_identify_is_named():
    rng = np.random.default_rng(0)
    x = rng.integers(2, size=(200, 2)).astype(float)  # two classes of two items: five parameters, three free frequencies
    found = LatentClass(2, random_state=0, init={"weights": [0.4, 0.6]}).fit(x).standard_errors(x)
    assert any("not identified" in note for note in found.notes)


def test_other_data_than_those_of_the_fit_are_noticed(mixture):
    assert not mixture.standard_errors(two_groups()).notes
    assert any("data of the fit" in note for note in mixture.standard_errors(two_groups() + 0.5).notes)


def test_missing_cells_and_known_labels_count():
    x, labels = two_groups(), np.full(400, -1)
    model = GaussianMixture(2, random_state=0, prior=None, tol=1e-8).fit(x)
    holes = np.where(np.random.default_rng(0).random(x.shape) < 0.4, np.nan, x)
    gaps = GaussianMixture(2, random_state=0, prior=None, tol=1e-8).fit(holes)
    order = [np.argsort(m.means_[:, 0]) for m in (gaps, model)]
    assert (gaps.standard_errors(holes)["means"][order[0]] > model.standard_errors(x)["means"][order[1]]).all()
    labels[:] = model.predict(x)
    known = GaussianMixture(2, random_state=0, prior=None).fit(x, labels=labels)
    np.testing.assert_allclose(known.standard_errors(x, labels=labels)["weights"], np.sqrt(known.weights_.prod() / 400), rtol=1e-6)


def test_a_mean_profiles_as_students_t():
    x = two_groups(50, d=1)
    model = GaussianMixture(1, prior=None, tol=1e-9).fit(x)
    found = model.profile(x, "means", (0,) if model.means_.ndim == 1 else (0, 0))
    half = np.sqrt(x.var() * np.expm1(3.841458820694124 / 50))  # n/2 log(1 + (m - mean)^2 / var) = half the quantile
    np.testing.assert_allclose([found.low, found.high], x.mean() + np.array([-half, half]), rtol=1e-4)


def test_profiles_agree_with_wald_where_data_are_many(mixture):
    x, (low, high) = two_groups(), mixture.conf_int(two_groups())["weights"][0]
    found = mixture.profile(x, "weights", 0)
    np.testing.assert_allclose([found.low, found.high], [low, high], atol=2e-3)
    assert found.objectives.max() <= mixture.result_.objective + 1e-3


def test_a_profile_from_a_worse_optimum_is_measured_about_the_better_one():
    """At the worse one the likelihood-ratio test refuses the estimate itself: the interval need not hold it."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(mean, 1.0, 40) for mean in (-10.0, 0.0, 12.0)])[:, None]
    held = {"covariances": 4.0, "weights": [0.5, 0.5]}
    worse = GaussianMixture(2, n_init=1, init={"means": [[-10.0], [6.0]]}, fixed=held, random_state=0).fit(x)
    better = GaussianMixture(2, n_init=1, init={"means": [[-5.0], [12.0]]}, fixed=held, random_state=0).fit(x)
    assert better.result_.objective > worse.result_.objective + 50.0
    with pytest.warns(UserWarning, match="a better solution"):
        found = worse.profile(x, "means", (1, 0))
    expected = better.profile(x, "means", (1, 0))
    assert not found.low < found.estimate < found.high
    np.testing.assert_allclose([found.low, found.high], [expected.low, expected.high], atol=0.1)


def test_the_bootstrap_does_not_depend_on_processes_and_keeps_labels(mixture):
    x = two_groups()
    how = {"method": "bootstrap", "n_replicates": 24, "random_state": 1}
    one, two = (mixture.standard_errors(x, n_jobs=n, **how) for n in (1, 2))
    np.testing.assert_array_equal(one["means"], two["means"])
    assert (np.abs(one.replicates["means"] - mixture.means_) < 1).all()
    np.testing.assert_allclose(one["means"], mixture.standard_errors(x)["means"], rtol=0.6)


def test_the_parametric_bootstrap_of_sequences():
    model = HMM(2, random_state=0).fit(two_groups(200), lengths=[50] * 4)
    found = model.standard_errors(two_groups(200), lengths=[50] * 4, method="parametric bootstrap", n_replicates=20, n_jobs=1)
    assert found.replicates["means"].shape == (20, 2, 2) and np.isfinite(found["means"]).all()


def test_a_row_of_transitions_profiles_with_its_sum_kept():
    rng, states = np.random.default_rng(0), np.zeros(300, int)
    for t in range(1, 300):
        states[t] = states[t - 1] if rng.random() < 0.85 else 1 - states[t - 1]
    y = rng.normal(4 * states, 1.0)[:, None]
    model = HMM(2, random_state=0, prior=None).fit(y)
    found, wald = model.profile(y, "transmat", (0, 1)), model.conf_int(y)["transmat"][0, 1]
    assert found.objectives.max() <= model.result_.objective + 1e-3
    np.testing.assert_allclose([found.low, found.high], wald, atol=0.02)


def test_category_probabilities_of_one_column_profile():
    rng = np.random.default_rng(0)
    first = rng.random(300) < 0.4
    table = pd.DataFrame(
        {"num": rng.normal(np.where(first, 0, 5), 1), "cat": np.where(rng.random(300) < np.where(first, 0.8, 0.3), "a", "b")}
    )
    model = Mixture(2, random_state=0).fit(table)
    found = model.profile(table, "cat_probs", (0, 0))
    assert found.low < found.estimate < found.high
    with pytest.raises(ParameterError, match="has no profile"):
        GaussianMixture(2, random_state=0).fit(two_groups()).profile(two_groups(), "covariances", (0, 0, 1))


def test_one_sequence_is_too_few_for_what_draws_or_adds_up_sequences():
    y = two_groups(120)
    model = HMM(2, random_state=0).fit(y)
    for method in ("sandwich", "bootstrap"):
        with pytest.raises(ParameterError, match="sequence"):
            model.standard_errors(y, method=method)
    assert np.isfinite(model.standard_errors(y)["means"]).all()
    with pytest.raises(ParameterError, match="one row cannot be drawn from"):
        GaussianMixture(2, random_state=0).fit(y).standard_errors(y[:1], method="bootstrap")


def test_hmmlearns_faces_show_them_too():
    y = two_groups(100)
    model = GaussianHMM(2, random_state=0).fit(y)
    model.standard_errors(y)
    assert "std. error" in model.summary(errors=True)


def test_wald_tests(mixture):
    found = mixture.standard_errors(two_groups())
    difference = found.test(lambda p: p["means"][0] - p["means"][1])
    assert difference.df == 2 and difference.p < 1e-10
    one = found.test(lambda p: p["means"][0, 0] - found.estimates["means"][0, 0] - 2 * found["means"][0, 0])
    assert one.df == 1 and one.statistic == pytest.approx(4.0, rel=1e-6)


@pytest.mark.parametrize(
    ("contrast", "said"),
    [
        ("means", "contrast='means': give a function of the parameters"),
        (3, "such as lambda p: p\\['means'\\]"),
        (lambda p: p["mean"], r"has no 'mean'; there are weights \(2,\), means \(2, 2\)"),
        (lambda p: p["means"][5], "asks for what is not there, index 5"),
        (lambda p: None, "has to give numbers"),
        (lambda p: ["a"], "has to give numbers"),
        (lambda p: [], "has to give numbers"),
    ],
)
def test_contrasts_that_are_none(mixture, contrast, said):
    with pytest.raises(ParameterError, match=said) as caught:
        mixture.standard_errors(two_groups()).test(contrast)
    assert caught.value.parameter == "contrast"


def test_summary_shows_what_was_asked_for_last(mixture):
    fresh = GaussianMixture(1).fit(two_groups())
    with pytest.raises(ParameterError, match="standard_errors"):
        fresh.summary(errors=True)
    mixture.standard_errors(two_groups())
    assert "std. error" in mixture.summary(errors=True) and "std. error" not in mixture.summary()


def test_bad_arguments_are_refused(mixture):
    x = two_groups()
    with pytest.raises(ParameterError, match="method"):
        mixture.standard_errors(x, method="jackknife")
    with pytest.raises(ParameterError, match="level"):
        mixture.conf_int(x, level=95)
    with pytest.raises(ParameterError, match="at least 20"):
        mixture.standard_errors(x, method="bootstrap", n_replicates=3)
    with pytest.raises(ParameterError, match="rows in memory"):
        mixture.standard_errors(stream(lambda: iter([x])), method="bootstrap")
    with pytest.raises(ParameterError, match="no parameter"):
        mixture.profile(x, "mean", 0)
    with pytest.raises(ParameterError, match="not there"):
        mixture.profile(x, "weights", 5)
    with pytest.raises(ParameterError, match="variances"):
        VariationalGaussianHMM(2, random_state=0).fit(x).standard_errors(x)


def test_a_level_that_a_class_never_has_leaves_its_neighbours_the_errors_of_proportions():
    rng = np.random.default_rng(3)
    group = np.repeat([0, 1], [54, 66])
    x = np.where(
        rng.random((120, 4)) < 0.7, group[:, None], 2
    )  # level 1 - k never in class k: in the midst of the levels, and first
    x[:, 0] = group
    found = LatentClass(2, random_state=0).fit(x).standard_errors(x)
    for item in range(1, 4):
        for k in range(2):
            p, n = found.estimates["probs"][k, item], 120 * found.estimates["weights"][k]
            there = p > 1e-6
            np.testing.assert_allclose(found["probs"][k, item][there], np.sqrt(p * (1 - p) / n)[there], rtol=1e-4)
            assert np.isnan(found["probs"][k, item][~there]).all() and (~there).sum() == 1
    assert len(found.notes) == 1 and "edge" in found.notes[0]


def test_a_variance_at_its_bound_and_degrees_of_freedom_without_end_have_none():
    x = two_groups(120)
    found = Mixture(2, MeasuredNormal(error=0.4), random_state=0, n_init=2).fit(x).standard_errors(x)
    assert np.isnan(found["variances"]).all() and np.isfinite(found["means"]).all() and "edge" in found.notes[0]
    x = np.random.default_rng(0).uniform(-1, 1, (200, 2))
    found = Mixture(1, MultivariateT(), random_state=0).fit(x).standard_errors(x)
    assert np.isnan(found["df"]).all() and np.isfinite(found["scales"]).all()


def test_tied_components_have_the_errors_of_one():
    x = two_groups(120)
    tied = Mixture(2, Tied(Gaussian("diag", prior=None), (0, 0)), random_state=0, n_init=1).fit(x)
    found = tied.standard_errors(x)["means"]
    np.testing.assert_allclose(found, np.tile(x.std(axis=0) / np.sqrt(120), (2, 1)), rtol=1e-4)


def test_the_bootstrap_of_symbols_that_a_state_never_has():
    rng = np.random.default_rng(0)
    state = np.repeat([0, 1, 0, 1], 30)
    x = np.where(rng.random(120) < 0.3, 1, 2 * state)[:, None]
    model = HMM(2, emission="categorical", random_state=0, n_init=2).fit(x)
    found = model.standard_errors(x, method="parametric bootstrap", n_replicates=20, n_jobs=1)
    assert np.isnan(found["probs"]).any() and np.isfinite(found["transmat"]).all() and "edge" in found.notes[0]
    one = VariationalGaussianHMM(1, random_state=0).fit(two_groups(30), lengths=[10, 10, 10])
    with pytest.raises(ParameterError, match="distribution over parameters"):
        one.standard_errors(two_groups(30), [10, 10, 10], method="bootstrap")
