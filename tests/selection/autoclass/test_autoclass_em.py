"""EM on AutoClass's priors: the objective never falls, and its maximum is one."""

from dataclasses import replace

import numpy as np
import pytest

from emkit.selection.autoclass import em
from emkit.selection.autoclass.attributes import Attribute, TableModel, Term
from emkit.selection.autoclass.prepare import prepare
from support.autoclass_tables import example, hard, mixed_table


def random_start(prepared, n_classes, rng):
    return hard(rng.permutation(np.arange(prepared.n) % n_classes), n_classes).T


@pytest.mark.parametrize("n_classes", [1, 3, 15])
@pytest.mark.parametrize("table", ["imports-85c", "autoclass_synthetic", "mixed"])
def test_the_objective_never_falls(table, n_classes):
    prepared = prepare(*mixed_table()[:2]) if table == "mixed" else example(table)
    memberships = random_start(prepared, n_classes, np.random.default_rng(n_classes))
    now = em.e_step(prepared, em.m_step(prepared, em.sums(prepared.features, memberships)), least_share=0)
    for _ in range(60):
        before, now = now, em.iterate(prepared, now, least_share=0)
        assert now.objective >= before.objective - 1e-9 * abs(before.objective)


def test_cutting_small_memberships_off_costs_next_to_nothing():
    prepared = example("imports-85c")
    now = em.run(prepared, random_start(prepared, 10, np.random.default_rng(0)), max_iter=3)
    for _ in range(100):
        before, now = now, em.iterate(prepared, now)
        assert now.objective > before.objective - 1e-3
    assert now.memberships[now.memberships > 0].min() > 1e-5 / 10


def test_at_the_limit_no_parameter_can_be_bettered():
    """The objective as a function of the parameters: every small step from EM's limit lowers it."""
    x, model, labels = mixed_table()
    prepared = prepare(x, model)
    at = em.run(prepared, hard(labels).T, max_iter=2000, tol=1e-12).parameters
    best = em.e_step(prepared, at, 0).objective
    step = 1e-3
    for name, direction in (("means", 1.0), ("variances", at.variances), ("known", at.known * (1 - at.known))):
        value = getattr(at, name)
        for j, t in np.ndindex(value.shape):
            for sign in (-1, 1):
                moved = value.copy()
                moved[j, t] += sign * step * np.broadcast_to(direction, value.shape)[j, t]
                assert em.e_step(prepared, replace(at, **{name: moved}), 0).objective <= best + 1e-7
    for sign in (-1, 1):
        weights = at.weights * np.exp(sign * step * np.array([1, 0, 0]))
        assert em.e_step(prepared, replace(at, weights=weights / weights.sum()), 0).objective < best


def test_many_classifications_at_once_are_each_by_itself():
    prepared = prepare(*mixed_table()[:2])
    rng = np.random.default_rng(1)
    starts = np.stack([random_start(prepared, 4, rng) for _ in range(3)])
    together = em.run(prepared, starts, max_iter=10, tol=0)
    for start, memberships, objective in zip(starts, together.memberships, together.objective, strict=True):
        alone = em.run(prepared, start, max_iter=10, tol=0)
        np.testing.assert_allclose(memberships, alone.memberships, atol=1e-9)
        assert objective == pytest.approx(float(alone.objective))


def test_one_category_has_its_posterior_mode():
    """Levels 0 0 1 under Dirichlet(1 + 1/2): (2 + 1/2)/4."""
    model = TableModel((Attribute("c", "discrete", n_levels=2),), (Term("single_multinomial", (0,)),))
    prepared = prepare(np.array([[0], [0], [1.0]]), model)
    own = em.run(prepared, np.ones((1, 3))).parameters
    np.testing.assert_allclose(np.exp(own.log_levels[0]), [2.5 / 4, 1.5 / 4])
