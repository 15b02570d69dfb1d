"""RBFClassifier: what users do, and the Laplace evidence against brute force."""

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import emkit
from emkit import DataError, Monitor, ParameterError, RBFClassifier, RBFRegressor
from emkit.core.result import StopReason
from emkit.models.rbf.logits import _at, _left_out, believe, maximise, moderated, probabilities


def ring(n=300, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    return x, np.where((x[:, :2] ** 2).sum(axis=1) + 0.3 * rng.normal(size=n) < 1.4, "in", "out")


@pytest.fixture(scope="module")
def fitted():
    return RBFClassifier(random_state=0).fit(*ring())


def test_a_ring_is_found_and_the_third_column_does_not_matter(fitted):
    x, y = ring(2000, 1)
    assert fitted.score(x, y) > 0.9 and fitted.relevance_[2] < 0.05
    np.testing.assert_allclose(fitted.predict_proba(x).sum(axis=1), 1.0)


def test_probabilities_are_frequencies():
    said, was = [], []
    for seed in range(4):
        x, y = ring(2000, 100 + seed)
        said.append(RBFClassifier(random_state=0).fit(*ring(300, seed)).predict_proba(x)[:, 1])
        was.append(y == "out")
    said, was = np.concatenate(said), np.concatenate(was)
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        here = (said >= low) & (said < low + 0.2)
        assert here.sum() > 200 and abs(said[here].mean() - was[here].mean()) < 0.06


def test_three_classes_and_what_is_shown_of_them():
    x, _ = ring(300, 2)
    y = np.digitize(x[:, 0] + 0.2 * x[:, 1] ** 2, [-0.5, 0.7])
    model = RBFClassifier(10, random_state=0).fit(x, y)
    assert model.score(x, y) > 0.9 and model.weights_.shape == (10, 3) and model.linear_.shape == (3, 3)
    assert model.decision_function(x).shape == (300, 3)
    np.testing.assert_array_equal(model.classes_[model.decision_function(x).argmax(axis=1)], model.predict(x))
    assert set(model.table(x)) == {"label", "p_0", "p_1", "p_2"}


def test_no_units_where_a_plane_is_enough():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4))
    model = RBFClassifier(random_state=0).fit(x, x @ [1, -1, 0.5, 0] + 0.3 * rng.logistic(size=200) > 0)
    assert model.units_ == "linear" and model.candidates_[0]["units"] == "linear"
    slopes = model.linear_ / model.linear_[0]
    np.testing.assert_allclose(slopes, [1, -1, 0.5, 0], atol=0.25)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_evidence_is_at_its_top_and_the_weights_too(classes):
    rng = np.random.default_rng(classes)
    x = rng.normal(size=(150, 3))
    psi = np.column_stack([np.ones(150), x])
    p = probabilities(psi @ rng.normal(size=(4, classes)))
    labels = np.array([rng.choice(classes, p=row) for row in p])
    y = np.eye(classes)[labels] if classes > 2 else labels[:, None].astype(float)

    def blocks():
        return iter([(psi[:70], y[:70], np.ones(70)), (psi[70:], y[70:], np.ones(80))])

    best = maximise(blocks, 2)
    for move in (np.array([0.2, 0]), np.array([-0.2, 0]), np.array([0, 0.2]), np.array([0, -0.2])):
        assert _at(blocks, 2, best.log_lambda + move, best.mean).log_evidence < best.log_evidence + 1e-3
    lam = np.exp(np.array([np.log(1e-3), best.log_lambda[0], best.log_lambda[0], best.log_lambda[1]]))
    shown = probabilities(psi @ best.mean)
    slope = psi.T @ (y - (shown if classes > 2 else shown[:, 1:])) - lam[:, None] * best.mean
    np.testing.assert_allclose(slope, 0.0, atol=1e-2)


def problem(classes, weights=None, n=60):
    """Overlapping classes on two columns: features, targets, and labels."""
    rng = np.random.default_rng(classes)
    psi = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    labels = np.argmax(psi @ rng.normal(size=(3, classes)) + rng.gumbel(size=(n, classes)), axis=1)
    y = np.eye(classes)[labels]
    y = y[:, 1:] if classes == 2 else y
    weights = np.ones(n) if weights is None else weights
    return psi, y, weights, lambda: iter([(psi, y, weights)])


@pytest.mark.parametrize("classes", [2, 3])
def test_a_row_is_left_out_as_if_it_were_not_there(classes):
    psi, y, ones, blocks = problem(classes)
    log_lambda = np.zeros(2)
    full = _at(blocks, 0, log_lambda, None)
    p = probabilities(psi @ full.mean)
    p = p[:, 1:] if classes == 2 else p
    bend = sum(np.kron(np.diag(q) - np.outer(q, q), np.outer(row, row)) for q, row in zip(p, psi, strict=True))
    bend = bend + np.kron(np.eye(full.mean.shape[1]), np.diag([1e-3, 1.0, 1.0]))
    m, n_logits = full.mean.shape
    inverse = np.linalg.inv(bend).reshape(n_logits, m, n_logits, m)
    logits, variances = _left_out(psi, y, ones, full.mean, inverse)
    for row in range(10):
        others = np.arange(len(psi)) != row
        again = _at(lambda keep=others: iter([(psi[keep], y[keep], ones[keep])]), 0, log_lambda, None)
        shown = probabilities(logits[row : row + 1])
        np.testing.assert_allclose(shown, probabilities(psi[row : row + 1] @ again.mean), atol=0.02)
        np.testing.assert_allclose(variances[row], again.variances(psi[row : row + 1])[0], rtol=0.25)


def test_what_is_believed_counts_a_row_of_weight_two_as_two_and_all_beyond_the_data():
    psi, y, _, _ = problem(2)
    weights = np.r_[np.full(20, 2.0), np.ones(40)]
    double = np.r_[np.arange(20), np.arange(60)]
    both = [
        believe(blocks, 0, _at(blocks, 0, np.zeros(2), None))
        for blocks in (lambda: iter([(psi, y, weights)]), lambda: iter([(psi[double], y[double], np.ones(80))]))
    ]
    assert both[0].believed == both[1].believed
    np.testing.assert_allclose(both[0].seen, both[1].seen, rtol=1e-9)
    far = np.array([[1.0, 50.0, 50.0]])
    raw = np.einsum("nm,mk,nk->n", far, both[0].spread[0], far)
    np.testing.assert_allclose(both[0].variances(far)[:, 0], raw - (1 - both[0].believed) * both[0].seen, rtol=1e-9)


def test_classes_that_are_all_but_separable_are_no_reason_for_units_nor_for_doubt():
    from sklearn.datasets import load_wine

    x, y = load_wine(return_X_y=True)
    model = RBFClassifier(random_state=0).fit(x[::2], y[::2])
    p = model.predict_proba(x[1::2])[np.arange(len(y[1::2])), y[1::2]]
    assert model.units_ == "linear" and -np.log(p).mean() < 0.1


def test_moderation_is_the_average_over_logits():
    rng = np.random.default_rng(0)
    drawn = 1.0 / (1.0 + np.exp(-(1.5 + 2.0 * rng.normal(size=200_000))))
    assert moderated(np.array([[1.5]]), np.array([[4.0]]))[0, 1] == pytest.approx(drawn.mean(), abs=0.01)


def test_perfect_separation_stays_finite():
    x = np.linspace(-1, 1, 40)[:, None]
    model = RBFClassifier(random_state=0).fit(x, x[:, 0] > 0)
    assert np.isfinite(model.predict_proba(x)).all() and model.score(x, x[:, 0] > 0) == 1.0


def test_far_from_all_rows_odds_are_less_sure(fitted):
    far = fitted.predict_proba([[30.0, 30.0, 0.0]])[0]
    near = fitted.predict_proba([[2.0, 2.0, 0.0]])[0]
    assert fitted.units_ == "plain" and np.isfinite(far).all() and abs(far[1] - 0.5) < abs(near[1] - 0.5)


def test_weight_two_is_the_row_twice_and_weight_zero_none():
    x, y = ring(120)
    how = {"n_units": 4, "random_state": 0}
    weighted = RBFClassifier(**how).fit(x, y, np.r_[np.full(60, 2), np.ones(60)])
    twice = RBFClassifier(**how).fit(np.r_[x, x[:60]], np.r_[y, y[:60]])
    np.testing.assert_array_equal(weighted.predict_proba(x), twice.predict_proba(x))
    without = RBFClassifier(**how).fit(x, np.where(np.arange(120) < 3, "odd", y), np.r_[np.zeros(3), np.ones(117)])
    assert list(without.classes_) == ["in", "out"]
    np.testing.assert_array_equal(without.predict_proba(x), RBFClassifier(**how).fit(x[3:], y[3:]).predict_proba(x))


def test_units_and_order_of_columns_do_not_matter():
    x, y = ring(150)
    changed = x[:, [2, 0, 1]] * [1e6, 1e-6, 1]
    plain = RBFClassifier(4, random_state=0).fit(x, y)
    other = RBFClassifier(4, random_state=0).fit(changed, y)
    np.testing.assert_allclose(other.predict_proba(changed), plain.predict_proba(x), atol=1e-9)
    np.testing.assert_allclose(other.relevance_, plain.relevance_[[2, 0, 1]], atol=1e-9)


def test_missing_cells(fitted):
    x, y = ring(300)
    holes = np.where(np.random.default_rng(0).random(x.shape) < 0.15, np.nan, x)
    model = RBFClassifier(10, random_state=0).fit(holes, y)
    assert model.score(holes, y) > 0.78
    blank = model.predict_proba(np.full((1, 3), np.nan))[0]
    assert abs(blank[1] - (y == "out").mean()) < 0.2
    with pytest.raises(DataError, match="row 0 is missing"):
        fitted.predict(holes[np.isnan(holes).any(axis=1)][:1])


@pytest.mark.parametrize("kind", [RBFClassifier, RBFRegressor])
def test_saved_is_loaded_with_the_same_bits(kind, tmp_path):
    x, y = ring(100)
    holes = pd.DataFrame(np.where(np.random.default_rng(0).random(x.shape) < 0.1, np.nan, x), columns=["a", "b", "c"])
    target = y if kind is RBFClassifier else x[:, 0] ** 2
    model = kind(4, random_state=0).fit(holes, target)
    model.save(tmp_path / "net.safetensors")
    again = emkit.load(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(again.predict(holes), model.predict(holes))
    assert again.summary() == model.summary() and again.candidates_ == model.candidates_
    assert again.get_params() == model.get_params()


class Stop(Monitor):
    """Ends the search after so many networks."""

    def __init__(self, after):
        self.left = after

    def say(self, text):
        self.left -= 1

    def asked(self):
        return StopReason.INTERRUPTED if self.left <= 0 else None


@pytest.mark.parametrize("kind", [RBFClassifier, RBFRegressor])
def test_a_search_that_is_stopped_keeps_the_best_so_far(kind):
    x, y = ring(100)
    model = kind(random_state=0, monitors=[Stop(2)]).fit(x, y if kind is RBFClassifier else x[:, 0])
    assert 1 <= sum(one["n_units"] > 0 for one in model.candidates_) <= 3
    assert model.cut_off() and "stopped" in model.summary()
    assert kind(4, random_state=0).fit(x, y if kind is RBFClassifier else x[:, 0]).cut_off() is None


class Press(Monitor):
    """Ctrl-C, after so many networks."""

    def __init__(self, after):
        self.left = after

    def say(self, text):
        self.left -= 1

    def asked(self):
        if self.left <= 0:
            raise KeyboardInterrupt
        return None


@pytest.mark.parametrize("kind", [RBFClassifier, RBFRegressor])
def test_ctrl_c_keeps_the_best_so_far(kind):
    x, y = ring(100)
    target = y if kind is RBFClassifier else x[:, 0]
    for after in (1, 3):
        model = kind(random_state=0, monitors=[Press(after)]).fit(x, target)
        assert sum(one["n_units"] > 0 for one in model.candidates_) == after
        assert model.cut_off() == StopReason.INTERRUPTED.value and "stopped" in model.summary()
        assert len(model.predict(x)) == 100
    with pytest.raises(KeyboardInterrupt):
        kind(4, random_state=0, monitors=[Press(0)]).fit(x, target)


def test_bad_input_is_refused():
    x, y = ring(50)
    with pytest.raises(ParameterError, match="one class"):
        RBFClassifier().fit(x, np.full(50, "in"))
    with pytest.raises(ParameterError, match="one class"):
        RBFClassifier().fit(x, y, (y == "in").astype(float))
    with pytest.raises(DataError, match="row 7"):
        RBFClassifier().fit(x, [None if i == 7 else v for i, v in enumerate(y)])
    with pytest.raises(ParameterError, match="units"):
        RBFClassifier(units="square").fit(x, y)


@parametrize_with_checks([RBFClassifier(4), RBFClassifier()])
def test_estimator_check(estimator, check):
    check(estimator)
