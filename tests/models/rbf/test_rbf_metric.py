"""Widths by evidence: the gradient, what it finds, and that weights count rows."""

from dataclasses import replace

import numpy as np
import pytest

from emkit.models.rbf.evidence import maximise
from emkit.models.rbf.features import Units
from emkit.models.rbf.metric import Sample, evidence_and_slope, improve


def bent(n=80, d=3, p=1, seed=0, weighted=False):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    y = np.sin(2.0 * x[:, :1]) + 0.1 * rng.normal(size=(n, p))
    return Sample(x, y, rng.uniform(0.5, 3.0, n) if weighted else None), rng


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize(("outputs", "weighted"), [(1, False), (2, True)])
def test_gradient_is_that_of_finite_differences(monkeypatch, normalised, outputs, weighted):
    sample, rng = bent(p=outputs, weighted=weighted)
    monkeypatch.setattr("emkit.models.rbf.metric.maximise", lambda s, k, start: maximise(s, k, start, tol=1e-15))
    units = Units(sample.x[:7], rng.normal(size=3) * 0.5, rng.normal(size=7) * 0.3, normalised)
    _, by_omega, by_factor = evidence_and_slope(sample, units, None)
    for name, gradient in (("log_omega", by_omega), ("log_factor", by_factor)):
        for j in range(len(gradient)):
            ends = []
            for step in (1e-4, -1e-4):
                moved = getattr(units, name).copy()
                moved[j] += step
                ends.append(evidence_and_slope(sample, replace(units, **{name: moved}), None)[0].log_evidence)
            np.testing.assert_allclose(gradient[j], (ends[0] - ends[1]) / 2e-4, rtol=1e-5, atol=1e-5)


def test_a_column_that_says_nothing_gets_wide_units():
    sample, _ = bent(n=150)
    start = np.full(3, -1.0)
    units = Units(sample.x[:20], start, np.zeros(20), False)
    found, value, _ = improve(sample, units, start, 40)
    assert found.log_omega[0] > 2.0 + max(found.log_omega[1:])
    assert value > evidence_and_slope(sample, units, None)[0].log_evidence


def test_a_search_that_is_halted_at_once_returns_where_it_began():
    sample, _ = bent()
    start = np.zeros(3)
    found, _, _ = improve(sample, Units(sample.x[:5], start, np.zeros(5), False), start, 40, halted=lambda: True)
    np.testing.assert_array_equal(found.log_omega, start)
