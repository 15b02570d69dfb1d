"""Random walks: settings change, parameters are set by hand, data change, and in between there is a fit, a file, or a question."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from small_models import KINDS, ONE, bits, counts, quietly, reals

from emkit import HMM, Dirichlet, EmkitError, GammaPrior, GaussianMixture, Poisson, load

MEANS = np.array([[0.0, 0.5], [6.0, 6.5]])
SHARED = {
    "init": [{}, {"means": MEANS}],
    "fixed": [{}, {"means": MEANS}, {"covariances": 2.0}, {"means": [[0.0, np.nan], [np.nan, 6.5]]}, {"weights": [0.5, 0.5]}],
    "prior": ["weak", None],
    "order_by": [None, "auto"],
    "tol": [1e-3, 0.0],
    "max_iter": [0, 1, 7],
    "init_params": ["auto", "random"],
    "warm_start": [True, True, True, False],
    "n_jobs": [1, None],
}
MIXTURE = {
    **SHARED,
    "n_components": [1, 2, 3],
    "covariance_type": list(KINDS),
    "reg_covar": [0.0, 0.5],
    "weights_prior": [None, 20.0],
    "means_init": [None, MEANS],
    "precisions_init": [None, 1.0],
}
CHAIN = {
    **SHARED,
    "n_states": [1, 2, 3],
    "emission": ["gaussian", "poisson", "bernoulli", "categorical", Poisson(GammaPrior(2.0, 0.5))],
    "covariance_type": ["diag", "full", "tied"],
    "n_mix": [1, 2],
    "tie": [None, [0, 0], [0, 1, 0]],
    "start": ["free", "stationary"],
    "end": [False, True],
    "transmat_prior": [None, Dirichlet(2.0)],
    "sticky": [0.0, 4.0],
    "transmat_init": [None, [[0.9, 0.1], [0.0, 1.0]]],
    "init": [{}, {"startprob": [0.5, 0.5]}],
}
MOST = 100  # iterations; forty rows converge in fewer, and with tol=0 a fit goes on to the last that it is allowed
DATA = {"reals": reals(), "one column": reals(1), "counts": counts(), "bits": bits()}


def steps(choices):
    """A walk: each step changes some settings, and maybe the data."""
    change = st.sampled_from(sorted(choices)).flatmap(lambda name: st.tuples(st.just(name), st.sampled_from(choices[name])))
    return st.lists(st.tuples(st.lists(change, max_size=2), st.sampled_from([*DATA, None, None])), min_size=2, max_size=6)


def attempt(model, x):
    """A fit: the model, or what emkit says is wrong with the settings or the data. Anything else is a bug."""
    try:
        return quietly(model.fit, x), None
    except EmkitError as error:
        return model, f"{type(error).__name__}: {error}"


def same(a, b, x):
    """Two models say the same, to the last bit."""
    one, other = a.parameters(), b.parameters()
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)
    np.testing.assert_array_equal(a.predict_proba(x), b.predict_proba(x))
    assert a.bic() == b.bic() and a.summary() == b.summary()


def walk(model, path):
    """After each step: a cold fit's very answer, or the earlier one carried on, which never makes the objective fall.

    Returns the data of the last fit, or None if there was none.
    """
    x, before, told = DATA["reals"], None, None
    model.set_params(max_iter=min(model.max_iter, MOST))
    for changes, data in path:
        model.set_params(**dict(changes))
        x = x if data is None else DATA[data]
        kept = None if before is None else (model.result_, model.columns_)
        goes_on = before is not None and model.warm_start and model._unchanged(snapshot_of(model, x))
        cold, refused = attempt(clone(model), x)
        model, said = attempt(model, x)
        if said is not None:  # refused: what was there before is still there
            assert kept is None or (model.result_, model.columns_) == kept
            assert refused is not None or goes_on
            continue
        trace = model.result_.trace
        assert (np.diff(trace) > -1e-7 * np.abs(trace[0])).all() or not np.isfinite(trace).all()
        if not goes_on:
            assert refused is None
            same(model, cold, x)
        before, told = model.result_, x
        assert model.score(x) * (len(x) if isinstance(model, GaussianMixture) else 1) == pytest.approx(
            before.log_likelihood, rel=1e-12
        )
    return told


def snapshot_of(model, x):
    from emkit.core.describe import snapshot
    from emkit.data.tables import read_table

    columns = read_table(x).columns
    try:
        return snapshot((model.build(columns), columns))
    except EmkitError:
        return None


@settings(max_examples=40, deadline=None, derandomize=True)
@given(path=steps(MIXTURE))
def test_a_mixture(path):
    walk(GaussianMixture(2, warm_start=True, **ONE), path)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(path=steps(CHAIN))
def test_a_chain(path):
    walk(HMM(2, warm_start=True, max_iter=5, **ONE), path)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(path=steps(MIXTURE), chain=steps(CHAIN))
def test_files_and_pickles_along_the_way(tmp_path_factory, path, chain):
    """What is read back goes on as the original does."""
    for model, way in ((GaussianMixture(2, warm_start=True, **ONE), path), (HMM(2, warm_start=True, max_iter=5, **ONE), chain)):
        x = walk(model, way)
        if x is None:
            continue
        file = tmp_path_factory.mktemp("walk") / "m.safetensors"
        model.save(file)
        for back in (load(file), pickle.loads(pickle.dumps(model))):
            same(back, model, x)
            assert back.get_params().keys() == model.get_params().keys()
        again, said = attempt(load(file), x)
        twin, twice = attempt(pickle.loads(pickle.dumps(model)), x)
        assert said == twice
        if said is None:
            same(again, twin, x)
