"""Regressions against numbers of others, derivatives by differences, and data that would break them."""

import json
from itertools import islice

import numpy as np
import pytest
from scipy import stats

from emkit import EM, ArraySource, DataError, FiniteMixture, Gaussian, Mixture, ParameterError, PerColumn, Poisson, iterate
from emkit.core.block import Block
from emkit.families.guarded import guarded_length, solved
from emkit.families.regression.family import Regression
from emkit.testing import check_family, check_model, draw
from support.datasets import FOLDER, co2, npreg
from support.fits import fitted, problem_of

REFERENCES = json.loads((FOLDER / "regressions.json").read_text())
KINDS = ["gaussian", "poisson", "binomial"]
RNG = np.random.default_rng(0)


def problem(kind, concomitant=False):
    """A reference's data, and the family that its optimum is one of: maximum likelihood."""
    reference = REFERENCES[f"mixture_of_regressions_{kind}"]
    names = ["y", "x", "u"] if concomitant else ["y", "x"]
    columns = [reference[name] for name in names]
    more = {"shared_variance": True} if kind == "gaussian" else {}
    if kind == "binomial":
        names, columns, more = [*names, "m"], [*columns, [reference["trials"]] * len(columns[0])], {"trials": "m"}
    optimum = reference["optima"]["concomitant u" if concomitant else "plain"]
    return ArraySource(np.array(columns).T, columns=names), Regression(kind, ridge=0.0, prior=None, **more), optimum


def at(kind, optimum):
    """The reference's components as Params."""
    variances = np.array([optimum["shared_sd"] ** 2]) if kind == "gaussian" else None
    b = np.array(optimum["coefficients"])
    return Regression.Params(b[:, 0], b[:, 1:], variances)


def experts(given):
    """A mixture whose components are normal in two columns, with a constant response."""
    k = len(given["weights"])
    gate = Gaussian("diag", fixed={"means": given["centres"], "covariances": given["variances"]}, prior=None)
    expert = Regression(on=(), prior=None, fixed={"intercepts": given["heights"], "variances": given["noise_variances"]})
    return FiniteMixture(PerColumn({(0, 1): gate, 2: expert}), k, fixed={"weights": given["weights"]})


# --- numbers of others --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_likelihood_of_the_reference_at_its_parameters(kind):
    source, family, optimum = problem(kind)
    model = FiniteMixture(family, 2).resolve(source)
    odds = optimum["class_logit"][0]
    params = model.Params(np.array([1.0, np.exp(-odds)]) / (1.0 + np.exp(-odds)), at(kind, optimum))
    assert model.e_step(params, source.joined())[1] == pytest.approx(optimum["log_likelihood"], abs=1e-10)
    assert model.n_free(params) == optimum["free_parameters"]


@pytest.mark.parametrize("kind", KINDS)
def test_best_optimum_is_found(kind):
    source, family, optimum = problem(kind)
    for seed in range(3):
        found = fitted(FiniteMixture(family, 2), source, seed=seed, tol=1e-7)
        assert found.log_likelihood == pytest.approx(optimum["log_likelihood"], abs=1e-6)
    order = np.argsort(found.params.components.intercepts)
    expected = np.array(optimum["coefficients"])[np.argsort(np.array(optimum["coefficients"])[:, 0])]
    np.testing.assert_allclose(found.params.components.coefficients[order], expected[:, 1:], atol=1e-3)


def test_flexmix_npreg():
    """The maximum by BFGS is -642.532014; flexmix 2.3-18 itself prints -642.545166, for its variance divides by rows minus rank."""
    x, normal, counts = npreg().T
    source = ArraySource(np.column_stack([normal, x, x**2]), columns=["y", "x", "x2"])
    for seed in range(3):
        assert fitted(FiniteMixture(Regression(), 2), source, seed=seed).log_likelihood >= -642.532014 - 1e-4
    best = fitted(FiniteMixture(Regression(ridge=0.0, prior=None), 2), source, tol=1e-7)
    assert best.log_likelihood == pytest.approx(-642.532014, abs=1e-6)
    order = np.argsort(best.params.components.intercepts)
    np.testing.assert_allclose(best.params.components.coefficients[order], [[4.814488, 0.036538], [9.848439, -0.968528]], atol=1e-4)
    np.testing.assert_allclose(np.sqrt(best.params.components.variances[order]), [3.444404, 3.450931], atol=1e-4)
    found = fitted(FiniteMixture(Regression("poisson", ridge=0.0), 2), ArraySource(np.column_stack([counts, x])), tol=1e-7)
    assert found.log_likelihood == pytest.approx(-440.640294320, abs=1e-6)


def test_mixtools_co2():
    source = ArraySource(co2()[:, ::-1].copy())
    for seed in range(3):
        found = fitted(FiniteMixture(Regression(ridge=0.0, prior=None), 2), source, seed=seed, tol=1e-7)
        assert found.log_likelihood == pytest.approx(-66.9397677928, abs=1e-6)


def test_one_component_is_ridge_regression():
    """Exact fractions; their penalty is one of slopes in the columns' own units."""
    reference = REFERENCES["ridge"]
    x = np.array(reference["x"], dtype=np.float64)
    family = Regression(ridge=reference["ridge"] / x.var(axis=0), prior=None)
    found = fitted(FiniteMixture(family, 1), ArraySource(np.column_stack([reference["y"], x]))).params.components
    np.testing.assert_allclose(found.coefficients[0], reference["coef_float"], rtol=1e-10)
    np.testing.assert_allclose(found.intercepts[0], reference["intercept_float"], rtol=1e-10)


def test_constant_experts():
    """A mixture of normal inputs with a constant response is a normalised radial basis function network."""
    given = REFERENCES["constant_experts"]
    x = np.column_stack([given["x"], given["y"]])
    source = ArraySource(np.concatenate([x, RNG.normal(size=(20, 3))]))
    model = experts(given).resolve(source)
    params = model.init(source, RNG)
    np.testing.assert_allclose(
        model.infer(params, Block(x), "log_likelihood").log_likelihood, given["log_joint_density"], rtol=1e-10
    )
    for hidden, mean in (([2], given["mean"]), ([1, 2], given["mean_when_x1_is_missing"])):
        blank = x.copy()
        blank[:, hidden] = np.nan
        gates = model.infer(params, Block(blank, missing=True), "marginals").marginals
        np.testing.assert_allclose(model.filled(params, blank, gates)[:, 2], mean, rtol=1e-10)


# --- the mathematics ----------------------------------------------------------------------------------------------------


def case(kind):
    """A resolved family with an offset, parameters, rows (one response missing) and responsibilities."""
    names = ["y", "a", "b", "o", "m"] if kind == "binomial" else ["y", "a", "b", "o"]
    more = {"trials": "m"} if kind == "binomial" else {}
    family = Regression(kind, offset="o", **more)
    x = rows_of(kind)
    family = family.resolve(ArraySource(x, columns=names), 2)
    variances = np.array([0.7, 1.3]) if kind == "gaussian" else None
    params = Regression.Params(np.array([0.2, -0.4]), np.array([[0.3, -0.2], [-0.5, 0.1]]), variances)
    return family, params, x, RNG.dirichlet(np.ones(2), len(x))


def rows_of(kind, n=40):
    rng = np.random.default_rng(3)
    x, offset, trials = rng.normal(3.0, 2.0, size=(n, 2)), rng.normal(size=n), rng.integers(1, 9, size=n)
    y = {
        "gaussian": rng.normal(size=n),
        "poisson": rng.poisson(2.0, size=n),
        "bernoulli": rng.integers(0, 2, size=n),
        "binomial": rng.binomial(trials, 0.4),
    }[kind].astype(np.float64)
    y[4] = np.nan
    columns = [y, x, offset, trials] if kind == "binomial" else [y, x, offset]
    return np.column_stack(columns).astype(np.float64)


@pytest.mark.parametrize("kind", [*KINDS, "bernoulli"])
def test_density(kind):
    family, params, x, _ = case(kind)
    eta = params.intercepts + x[:, 1:3] @ params.coefficients.T + x[:, [3]]
    y = x[:, [0]]
    expected = {
        "gaussian": lambda: stats.norm.logpdf(y, eta, np.sqrt([0.7, 1.3])),
        "poisson": lambda: stats.poisson.logpmf(y, np.exp(eta)),
        "bernoulli": lambda: stats.bernoulli.logpmf(y, 1.0 / (1.0 + np.exp(-eta))),
        "binomial": lambda: stats.binom.logpmf(y, x[:, [4]], 1.0 / (1.0 + np.exp(-eta))),
    }[kind]()
    expected[4] = 0.0  # the response is missing
    np.testing.assert_allclose(family.log_prob(params, x), expected, rtol=1e-10)


@pytest.mark.parametrize("kind", [*KINDS, "bernoulli"])
def test_slope_and_bends_are_derivatives(kind):
    """Of the expected log-likelihood, in standardised coefficients, by differences."""
    family, params, x, resp = case(kind)
    found, step = family.stats(params, x, resp), 1e-4

    def value(pivot):
        intercepts, coefficients = family.frame.plain(pivot)
        here = Regression.Params(intercepts, coefficients, np.ones(2) if kind == "gaussian" else None)
        return float((resp * family.log_prob(here, x)).sum())

    p = found.pivot.shape[1]
    for k in range(2):
        for i in range(p):
            by = np.zeros((2, p))
            by[k, i] = step
            slope = (value(found.pivot + by) - value(found.pivot - by)) / (2 * step)
            bend = (2 * value(found.pivot) - value(found.pivot + by) - value(found.pivot - by)) / step**2
            assert slope == pytest.approx(found.slope[k, i], rel=1e-5, abs=1e-5)
            assert bend == pytest.approx(found.bends[k, i, i], rel=1e-3, abs=1e-4)


def test_weight_two_is_the_row_twice():
    for kind in (*KINDS, "bernoulli"):
        family, params, x, resp = case(kind)
        weights = np.arange(len(x)) % 3
        once = family.stats(params, x, resp * weights[:, None])
        again = family.stats(params, np.repeat(x, weights, axis=0), np.repeat(resp, weights, axis=0))
        np.testing.assert_allclose(once.pack(), again.pack(), rtol=1e-10, atol=1e-10)


def test_statistics_about_another_pivot_are_the_same_quadratic():
    family, params, x, resp = case("gaussian")
    other = Regression.Params(params.intercepts + 1.0, params.coefficients - 0.3, params.variances)
    a, b = family.stats(params, x, resp), family.stats(other, x, resp)
    np.testing.assert_allclose(a.about(b.pivot).pack(), b.pack(), rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose((a + b).pack(), (2.0 * a).pack(), rtol=1e-10, atol=1e-9)
    assert family.q(a, other) == pytest.approx(float((resp * family.log_prob(other, x)).sum()), rel=1e-10)


def test_guarded_length_is_where_the_bound_is_largest():
    bend, own, reach = np.array([2.0, 0.3, 0.0, 5.0]), np.array([0.0, 1.0, 2.0, 0.1]), np.array([1.0, 8.0, 3.0, 1e-6])
    t = np.linspace(0.0, 1.0, 200_001)[:, None]
    bound = t * (bend + own) - bend * (np.expm1(t * reach) - t * reach) / reach**2 - 0.5 * t**2 * own
    np.testing.assert_allclose(guarded_length(bend, own, reach), t[bound.argmax(axis=0), 0], atol=1e-4)


def test_directions_that_nothing_tells_of_stay():
    matrix = np.array([[2.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    np.testing.assert_allclose(solved(matrix, np.array([4.0, 1.0, 1.0])), [2.0, 0.5, 0.5])
    np.testing.assert_array_equal(solved(np.zeros((2, 2)), np.zeros(2)), 0.0)


# --- what can be held, shared, and what is a prior ----------------------------------------------------------------------


def test_fixed_intercept_is_regression_through_the_origin():
    x = RNG.normal(5.0, 1.0, size=(30, 2))
    y = x @ [1.0, -2.0] + 0.1 * RNG.normal(size=30)
    family = Regression(ridge=0.0, prior=None, fixed={"intercepts": [0.0]})
    found = fitted(FiniteMixture(family, 1), ArraySource(np.column_stack([y, x]))).params.components
    np.testing.assert_allclose(found.coefficients[0], np.linalg.lstsq(x, y, rcond=None)[0], rtol=1e-10)
    np.testing.assert_array_equal(found.intercepts, 0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_shared_coefficients_are_equal_and_counted_once(kind):
    source, family, _ = problem(kind)
    more = {"trials": "m"} if kind == "binomial" else {}
    free = fitted(FiniteMixture(family, 2), source)
    tied = fitted(FiniteMixture(Regression(kind, shared="x", **more), 2), source)
    apart = fitted(FiniteMixture(Regression(kind, shared="intercept", **more), 2), source)
    assert tied.params.components.coefficients[0] == tied.params.components.coefficients[1]
    assert apart.params.components.intercepts[0] == apart.params.components.intercepts[1]
    separate_variances = 1 if kind == "gaussian" else 0
    assert tied.model.n_free(tied.params) == free.model.n_free(free.params) - 1 + separate_variances
    assert max(tied.log_likelihood, apart.log_likelihood) < free.log_likelihood + 20.0 * separate_variances


def test_values_of_a_shared_coefficient_must_agree():
    family = Regression(shared="x", start_values={"coefficients": [[1.0], [2.0]]})
    with pytest.raises(ParameterError, match="different values of a shared coefficient"):
        family.resolve(problem("gaussian")[0], 2)


@pytest.mark.parametrize(
    "setting",
    [{"response": "gamma"}, {"ridge": -1.0}, {"ridge": "much"}, {"prior": -2.0}, {"response": "binomial"}, {"trials": "m"}],
)
def test_settings_refused(setting):
    with pytest.raises(ParameterError):
        Regression(**setting)


# --- data that would break it -------------------------------------------------------------------------------------------


def test_perfect_separation_stays_finite():
    x = np.linspace(-1.0, 1.0, 40)
    source = ArraySource(np.column_stack([(x > 0).astype(float), x]))
    for ridge in ("weak", 1.0):
        found = fitted(FiniteMixture(Regression("bernoulli", ridge=ridge), 1), source)
        assert found.converged and np.isfinite(found.params.components.coefficients).all()
        assert found.log_likelihood > -15.0


def test_constant_and_repeated_columns():
    x = RNG.normal(size=60)
    y = RNG.poisson(np.exp(0.5 * x))
    wide = np.column_stack([y, x, x, np.full(60, 3.0)]).astype(float)
    plain = fitted(FiniteMixture(Regression("poisson", ridge=0.0), 1), ArraySource(wide[:, :2]), tol=1e-9)
    for ridge in (0.0, 1e-6):
        found = fitted(FiniteMixture(Regression("poisson", ridge=ridge), 1), ArraySource(wide), tol=1e-9)
        assert found.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-6)
        np.testing.assert_allclose(
            found.params.components.coefficients[0, :2].sum(), plain.params.components.coefficients[0, 0], atol=1e-4
        )
        assert found.params.components.coefficients[0, 2] == 0.0


@pytest.mark.parametrize(
    ("settings", "y", "message"),
    [
        ({"response": "poisson"}, [1.0, 2.5, 3.0], r"column 'y' row 1 is 2\.5, expected a count"),
        ({"response": "bernoulli"}, [1.0, 0.0, 2.0], "column 'y' row 2 is 2, expected 0 or 1"),
        ({"response": "binomial", "trials": "x"}, [1.0, 2.0, 9.0], "column 'y' row 2 is 9, more than the 5 trials"),
        ({"response": "gaussian"}, [2.0, 2.0, 2.0], "column 'y' is constant"),
        ({"on": ("z",)}, [1.0, 2.0, 3.0], "there is no column 'z'"),
        ({"on": ()}, [1.0, 2.0, 3.0], "column 'x' is not used"),
    ],
)
def test_data_refused(settings, y, message):
    source = ArraySource(np.column_stack([y, [4.0, 3.0, 5.0]]), columns=["y", "x"])
    with pytest.raises(DataError, match=message):
        Regression(**settings).resolve(source, 1)


def test_missing_responses_say_nothing_and_missing_covariates_are_refused():
    source, family, _ = problem("gaussian")
    more = np.concatenate([source.x, [[np.nan, 0.5], [np.nan, np.nan]]])
    with_missing, without = (ArraySource(x, columns=["y", "x"]) for x in (more, source.x))
    a, b = (fitted(FiniteMixture(family, 2), data, tol=1e-8).log_likelihood for data in (with_missing, without))
    assert a == pytest.approx(b, abs=1e-4)
    broken = source.x.copy()
    broken[7, 1] = np.nan
    with pytest.raises(DataError, match="column 'x' row 7 is missing, and a regression needs it"):
        family.resolve(ArraySource(broken, columns=["y", "x"]), 2)


def test_nothing_falls_on_data_that_are_hard():
    """Heavy tails, repeated and constant columns, weights of 0, units a thousand times apart; Newton's full step would fall."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        n, q, k = int(rng.integers(8, 50)), int(rng.integers(0, 4)), int(rng.integers(1, 4))
        x = rng.standard_t(2, size=(n, q)) * 10 ** rng.uniform(-3, 3) + rng.uniform(-9, 9)
        if q > 1 and seed % 3 == 0:
            x[:, 1] = x[:, 0] if seed % 2 else 3.0
        kind = ("poisson", "bernoulli", "gaussian")[seed % 3]
        y = {
            "poisson": rng.poisson(np.exp(rng.normal(size=n) * 2)),
            "bernoulli": rng.random(n) < 0.3,
            "gaussian": rng.normal(size=n),
        }
        weights = rng.integers(0, 3, size=n) + (np.arange(n) <= k)
        source = ArraySource(np.column_stack([y[kind], x]).astype(float), weights.astype(float))
        task = problem_of(FiniteMixture(Regression(kind, ridge=(0.0, 1.0)[seed % 2]), k, seeding="random"), source)
        last = -np.inf
        for step in islice(iterate(task, EM(), task.model.init(source, rng)), 20):
            assert step.objective >= last - task.rounding(step.objective), (seed, step.iteration)
            last = step.objective


# --- in company ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", Regression.examples(), ids=lambda family: family.response)
def test_conforms(family):
    check_family(family, draw(family, weighted=True))
    check_model(FiniteMixture(family, 2), draw(family, weighted=True))


def test_experts_conform():
    family = PerColumn({"y": Regression("poisson", on=("a", "b"), offset="o"), ("a", "b"): Gaussian("full"), "o": Gaussian()})
    source = ArraySource(rows_of("poisson"), columns=["y", "a", "b", "o"])
    check_family(family, source, compiled=False)


def test_a_mixture_of_experts_is_a_mixture():
    """Two lines over two places; the response of new rows is predicted through the gate."""
    rng = np.random.default_rng(1)
    label = rng.integers(2, size=300)
    x = rng.normal(size=300) + 6.0 * label
    y = np.where(label == 0, 1.0 + 2.0 * x, 20.0 - 3.0 * x) + 0.1 * rng.normal(size=300)
    model = Mixture(2, {0: "gaussian", 1: Regression(on=(0,))}, random_state=0).fit(np.column_stack([x, y]))
    family, params = model.model_.family, model.result_.params.components
    slopes = np.sort(params.parts[1].coefficients.ravel())
    np.testing.assert_allclose(slopes, [-3.0, 2.0], atol=0.05)
    new = np.array([[0.0, np.nan], [6.0, np.nan]])
    np.testing.assert_allclose(model.impute(new)[:, 1], [1.0, 2.0], atol=0.2)
    drawn = family.sample(params, np.zeros(500, dtype=int), np.random.default_rng(0))
    assert np.corrcoef(drawn.T)[0, 1] ** 2 > 0.99


def test_columns_have_one_family_that_describes_them():
    with pytest.raises(ParameterError, match="two families"):
        PerColumn({"y": Regression(on="x"), ("y", "x"): Gaussian()})
    source = ArraySource(RNG.normal(size=(9, 2)), columns=["x", "y"])
    with pytest.raises(ParameterError, match="circle"):
        PerColumn({"y": Regression(on="x"), "x": Regression(on="y")}).resolve(source, 2)
    PerColumn({"y": Regression(on="x")}).resolve(source, 2)  # nobody describes x
    with pytest.raises(DataError, match="no family"):
        PerColumn({"y": Poisson()}).resolve(source, 2)
