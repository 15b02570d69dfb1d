"""Statistics of fit of latent class models, against sums over all cells written out."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from emkit import LatentClass, ParameterError


def answers(n=400, seed=0, missing=0.0):
    rng = np.random.default_rng(seed)
    label = rng.random(n) < 0.35
    x = (rng.random((n, 4)) < np.where(label, 0.85, 0.25)[:, None]).astype(float)
    x[:, 3] += rng.random(n) < 0.3
    x[rng.random(x.shape) < missing] = np.nan
    return x


def probability(model, cell):
    """P(cell), summed over the classes."""
    each = [w * np.prod([model.probs_[k, j, int(v)] for j, v in enumerate(cell)]) for k, w in enumerate(model.weights_)]
    return sum(each)


def by_hand(model, x, weight):
    """L2, X2 and the dissimilarity, cell by cell."""
    l2 = x2 = apart = 0.0
    total = weight.sum()
    for cell in product(range(2), range(2), range(2), range(3)):
        n = weight[(x == cell).all(axis=1)].sum()
        m = total * probability(model, cell)
        l2 += 2 * n * np.log(n / m) if n else 0.0
        x2 += (n - m) ** 2 / m
        apart += abs(n - m) / (2 * total)
    return l2, x2, apart


@pytest.mark.parametrize("weighted", [False, True])
def test_l2_and_x2_are_sums_over_all_cells(weighted):
    x = answers(60)  # so few that some cells are empty
    weight = np.random.default_rng(1).uniform(0.5, 2.0, 60) if weighted else np.ones(60)
    model = LatentClass(2, random_state=0).fit(x, sample_weight=weight)
    found = model.fit_statistics(x, weight)
    assert found.n_patterns < found.n_cells == 24
    assert (found.L2, found.X2, found.dissimilarity) == pytest.approx(by_hand(model, x, weight), abs=1e-9)
    assert found.df == 23 - model.result_.n_free == 12
    assert found.p_L2 == pytest.approx(chi2.sf(found.L2, 12)) and found.p_X2 == pytest.approx(chi2.sf(found.X2, 12))
    assert found.is_sparse and "n_bootstrap" in str(found)


def test_rows_with_a_missing_answer_do_not_count():
    x = answers(missing=0.1)
    model = LatentClass(2, random_state=0).fit(x)
    complete = ~np.isnan(x).any(axis=1)
    found = model.fit_statistics(x)
    assert (found.L2, found.X2, found.dissimilarity) == pytest.approx(
        by_hand(model, x[complete], np.ones(complete.sum())), abs=1e-9
    )
    assert (found.weight, found.left_out) == (complete.sum(), (~complete).sum())
    assert "rows with a missing answer do not count here" in str(found)


def test_no_row_is_complete():
    x = answers()
    x[np.arange(400), np.arange(400) % 4] = np.nan
    found = LatentClass(2, n_init=1, random_state=0).fit(x).fit_statistics(x)
    assert np.isnan([found.L2, found.X2, found.p_L2]).all() and found.left_out == 400


def test_no_degrees_of_freedom():
    x = answers()[:, :2]
    with pytest.warns(UserWarning, match="not identified: 5 free parameters, 3 that a table of 4 cells can tell of"):
        model = LatentClass(2, random_state=0).fit(x)
    assert "not identified" in model.summary()
    found = model.fit_statistics(x)
    assert found.df == 3 - 5 and np.isnan(found.p_L2) and "cannot be tested" in str(found)


def test_bivariate_residuals_are_those_of_two_way_tables():
    x = answers(missing=0.05)
    weight = np.random.default_rng(2).integers(1, 4, 400).astype(float)
    model = LatentClass(2, random_state=0).fit(x, sample_weight=weight)
    found = model.bivariate_residuals(x, weight)
    for i, j in ((0, 1), (1, 3), (3, 2)):
        both = ~np.isnan(x[:, [i, j]]).any(axis=1)
        total, value = weight[both].sum(), 0.0
        sizes = [3 if at == 3 else 2 for at in (i, j)]
        for a, b in product(*map(range, sizes)):
            n = weight[(x[:, i] == a) & (x[:, j] == b)].sum()
            m = total * sum(w * model.probs_[k, i, a] * model.probs_[k, j, b] for k, w in enumerate(model.weights_))
            value += (n - m) ** 2 / m
        assert found.values[i, j] == pytest.approx(value / ((sizes[0] - 1) * (sizes[1] - 1)), abs=1e-9)
    assert np.isnan(np.diag(found.values)).all()
    np.testing.assert_array_equal(found.values, found.values.T)


def test_the_bootstrap_finds_the_pair_that_the_classes_do_not_explain():
    x = answers()
    x[:, 1] = np.where(np.random.default_rng(5).random(400) < 0.5, x[:, 0], x[:, 1])
    frame = pd.DataFrame(x, columns=list("abcd"))
    model = LatentClass(1).fit(frame)
    drawn = model.bivariate_residuals(frame, n_bootstrap=19)
    assert drawn.pairs[0] == (0, 1) and drawn.p_values[0, 1] == pytest.approx(1 / 20)
    assert "a " in str(drawn).splitlines()[1]
    fit = model.fit_statistics(frame, n_bootstrap=19)
    assert fit.p_L2_bootstrap == pytest.approx(1 / 20) and fit.p_L2 < 1e-6
    np.testing.assert_array_equal(
        drawn.p_values, LatentClass(1, random_state=0).fit(frame).bivariate_residuals(frame, n_bootstrap=19).p_values
    )


def test_bootstrap_p_values_are_spread_out_where_the_model_is_right():
    """Data drawn from a model of two classes: p values of 24 data sets are not all small or all large."""
    p = []
    for seed in range(12):
        x = answers(150, seed=seed)
        x[:, 3] = np.minimum(x[:, 3], 1)
        model = LatentClass(2, random_state=seed).fit(x)
        p.append(model.fit_statistics(x, n_bootstrap=20).p_L2_bootstrap)
    assert 0.2 < np.mean(p) < 0.8


@pytest.mark.parametrize("fraction", [False, True])
def test_the_bootstrap_takes_weights_and_holes(fraction):
    x, rng = answers(100, missing=0.1), np.random.default_rng(0)
    weight = rng.uniform(0.5, 1.5, 100) if fraction else rng.integers(1, 4, 100)
    model = LatentClass(2, random_state=0).fit(x, sample_weight=weight)
    found = model.fit_statistics(x, weight, n_bootstrap=8)
    assert 1 / 9 <= found.p_L2_bootstrap <= 1 and found.n_bootstrap == 8
    with pytest.raises(ParameterError, match="n_bootstrap"):
        model.fit_statistics(x, n_bootstrap=-1)


def test_entropy_errors_and_average_posteriors():
    x, weight = answers(), np.random.default_rng(2).integers(1, 4, 400).astype(float)
    model = LatentClass(2, random_state=0).fit(x, sample_weight=weight)
    p = model.predict_proba(x)
    lost = -sum(w * sum(v * np.log(v) for v in row) for w, row in zip(weight, p, strict=True))
    assert model.entropy(x, weight) == pytest.approx(1 - lost / (weight.sum() * np.log(2)), abs=1e-10)
    table = model.classification_table(x, weight)
    label = p.argmax(axis=1)
    for s, t in product(range(2), repeat=2):
        assert table.counts[s, t] == pytest.approx((weight * p[:, t])[label == s].sum(), abs=1e-8)
        right = (weight * p[:, t])[label == s].sum() / weight[label == s].sum()
        assert model.average_posteriors(x, weight)[s, t] == pytest.approx(right, abs=1e-10)
    assert table.error == pytest.approx((weight * (1 - p.max(axis=1))).sum() / weight.sum(), abs=1e-10)
    np.testing.assert_allclose(table.assigned_given_class.sum(axis=1), 1.0)
    assert "expected share of classification errors" in str(table)
