"""What follows from a declaration, for every family and model: held and starting values, shapes, packing, relabelling."""

import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest

from emkit import (
    ArraySource,
    Bernoulli,
    BetaPrior,
    Categorical,
    Dirichlet,
    FiniteMixture,
    GammaPrior,
    Gaussian,
    HiddenMarkov,
    Mixed,
    ParameterError,
    Poisson,
    SequenceSource,
    Tied,
)
from emkit.core.declared import Declared
from emkit.core.parameters import Nonnegative, Ordered, Parameter, Simplex
from emkit.families.gaussian.shapes import COVARIANCE_TYPES

K, D, N = 3, 2, 60
ORDER = np.array([2, 0, 1])


@dataclass(frozen=True)
class Toy(Declared):
    """Three parameters and no mathematics."""

    parameters = (
        Parameter("shares", "K c", Simplex()),
        Parameter("rates", "K d", Nonnegative()),
        Parameter("cuts", "m", Ordered()),
    )

    def sizes(self, k, d):
        return {"K": k, "d": d, "c": 3, "m": 4}


def toy_params(seed=0):
    rng = np.random.default_rng(seed)
    return Toy.Params(rng.dirichlet(np.ones(3), K), rng.gamma(1.0, size=(K, D)), np.sort(rng.normal(size=4)))


# --- the class of parameters ------------------------------------------------------------------------------------------


def test_params_are_made_from_the_declaration():
    params = toy_params()
    assert list(params.flatten()) == ["shares", "rates", "cuts"]
    assert Toy.Params.__qualname__ == "Toy.Params" and "``shares`` (K, c)" in Toy.Params.__doc__
    back = pickle.loads(pickle.dumps(params))
    assert type(back) is Toy.Params
    assert all(np.array_equal(back.flatten()[name], value) for name, value in params.flatten().items())


def test_null_has_the_shapes_and_the_held_values():
    null = Toy().null(K, D)
    assert [value.shape for value in null.flatten().values()] == [(K, 3), (K, D), (4,)]
    held = Toy(fixed={"rates": [[np.nan, 5.0]] * K}).with_values(K, D).null(K, D)
    np.testing.assert_array_equal(held.rates, [[1.0, 5.0]] * K)


def test_unknown_names_are_refused_where_they_are_given():
    for where in ("fixed", "start_values"):
        with pytest.raises(
            ParameterError, match=rf"{where}=\['rate'\]: a Toy family has 'shares' and 'rates' and 'cuts'"
        ) as caught:
            Toy(**{where: {"rate": 1.0}})
        assert caught.value.parameter == "rate"
    with pytest.raises(ParameterError, match="give a dict of parameter names and values"):
        Toy(fixed=["rates"])


# --- held values ------------------------------------------------------------------------------------------------------


def test_partly_held():
    """NaN marks what stays free: it is not counted, not moved, and put back."""
    fixed = {"shares": [[0.2, np.nan, np.nan]] * K, "rates": [[np.nan, 3.0], [np.nan, np.nan], [4.0, 5.0]]}
    toy = Toy(fixed=fixed).with_values(K, D)
    assert not toy.is_held("shares") and not toy.is_held("rates") and not toy.is_held("cuts")
    found = toy.put_back(toy_params())
    np.testing.assert_array_equal(found.shares[:, 0], 0.2)
    np.testing.assert_array_equal(found.rates[[0, 2, 2], [1, 0, 1]], [3.0, 4.0, 5.0])
    np.testing.assert_array_equal(found.rates[[0, 1, 1], [0, 0, 1]], toy_params().rates[[0, 1, 1], [0, 0, 1]])
    assert toy.n_free(found) == K + 3 + 4
    good = replace(found, shares=np.array([[0.2, 0.5, 0.3]] * K))
    vector = toy.pack(good)
    assert len(vector) == toy.n_free(good)
    moved = toy.unpack(vector + 0.1, good)
    np.testing.assert_array_equal(moved.shares[:, 0], 0.2)
    np.testing.assert_allclose(moved.shares.sum(axis=1), 1.0)
    np.testing.assert_array_equal(moved.rates[[0, 2, 2], [1, 0, 1]], [3.0, 4.0, 5.0])
    assert (np.diff(moved.cuts) > 0).all()


def test_held_whole():
    toy = Toy(fixed={"rates": np.ones((K, D)), "cuts": [0.0, 1.0, 2.0, 3.0]}).with_values(K, D)
    assert toy.is_held("rates") and toy.is_held("cuts")
    assert toy.n_free(toy_params()) == 2 * K == len(toy.pack(toy_params()))


def test_a_mask_holds_at_the_starting_values():
    start = {"rates": [[1.0, 2.0]] * K}
    mask = np.array([[True, False]] * K)
    toy = Toy(fixed={"rates": mask}, start_values=start).with_values(K, D)
    np.testing.assert_array_equal(toy.fixed["rates"], [[1.0, np.nan]] * K)
    with pytest.raises(ParameterError, match=r"fixed\['rates'\] is a mask, so rates_init must say"):
        Toy(fixed={"rates": mask}).with_values(K, D)
    with pytest.raises(ParameterError, match=r"fixed\['rates'\] has shape \(2,\), rates_init \(3, 2\)"):
        Toy(fixed={"rates": mask[0]}, start_values=start).with_values(K, D)


def test_a_mask_through_a_fit():
    """A family, a mixture and an HMM hold the marked entries at what was given to start from."""
    x = np.random.default_rng(0).normal(size=(N, D))
    means = np.array([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    family = Gaussian("diag", fixed={"means": means == 0.0}, start_values={"means": means}).resolve(ArraySource(x), K)
    np.testing.assert_array_equal(family.fixed["means"], np.where(means == 0.0, 0.0, np.nan))
    mixture = FiniteMixture(
        Poisson(), 3, fixed={"weights": np.array([True, False, False])}, start_values={"weights": [0.5, 0.3, 0.2]}
    )
    np.testing.assert_array_equal(mixture.resolve(ArraySource(x**2 // 1)).fixed["weights"], [0.5, np.nan, np.nan])
    chain = {"transmat": np.full((2, 2), 0.5)}
    hmm = HiddenMarkov(Gaussian(), 2, fixed={"transmat": np.array([[True, True], [False, False]])}, start_values=chain)
    np.testing.assert_array_equal(hmm.resolve(SequenceSource(x)).held_chain["transitions"], [[0.5, 0.5], [np.nan, np.nan]])


# --- values given by name, to whoever declares it -----------------------------------------------------------------------


def test_configured_reaches_the_parts():
    hmm = HiddenMarkov(Mixed(Gaussian("diag"), 2), K)
    found = hmm.configured(
        {"startprob": [1.0, 0.0, 0.0], "weights": np.full((K, 2), 0.5)}, {"means": np.arange(12.0).reshape(K, 2, D)}
    )
    assert list(found.fixed) == ["startprob"]
    assert list(found.family.fixed) == ["weights"]
    assert found.family.family.start_values["means"].shape == (2 * K, D)
    np.testing.assert_array_equal(found.family.family.start_values["means"], np.arange(12.0).reshape(2 * K, D))
    assert hmm.fixed == {} and hmm.family.fixed == {}  # immutable
    assert hmm.configured({}, {}) is hmm
    again = found.configured({"transmat": np.eye(K)}, {})
    assert sorted(again.fixed) == ["startprob", "transmat"]


def test_configured_refuses_what_nobody_declares():
    with pytest.raises(ParameterError, match=r"fixed=\['rates'\]: the parameters are 'weights', 'means', 'covariances'") as caught:
        FiniteMixture(Gaussian(), 2).configured({"rates": 1.0}, {})
    assert caught.value.parameter == "rates"


def test_the_declaration_of_a_part():
    model = FiniteMixture(Gaussian("tied"), 2)
    assert model.all_names == ("weights", "means", "covariances")
    assert model.parameter("means").letters == "K d" and model.parameter("covariances").letters == "1 d d"
    assert model.parameter("nothing") is None


# --- the same for everything that is declared -------------------------------------------------------------------------

FAMILIES = {
    **{name: Gaussian(name) for name in COVARIANCE_TYPES},
    "poisson": Poisson(GammaPrior(2.0, 1.0)),
    "bernoulli": Bernoulli(BetaPrior(2.0, 2.0)),
    "categorical": Categorical(None, Dirichlet(1.5)),
    "mixed": Mixed(Gaussian("diag"), 2, Dirichlet([2.0, 3.0])),
    "mixed tied": Mixed(Gaussian("tied"), 2),
    "tied": Tied(Poisson(), (0, 1, 0)),
}


def rows(family, d=D, seed=0):
    return family.support.draw(np.random.default_rng(seed), N, d)


def mixture(family, d=D):
    source = ArraySource(rows(family, d))
    model = FiniteMixture(family, K, Dirichlet([1.0, 2.0, 3.0]), seeding="random").resolve(source)
    return model, model.init(source, np.random.default_rng(1)), source


def hmm(family, d=D, **settings):
    source = SequenceSource(rows(family, d), [20, 15, 25])
    model = HiddenMarkov(
        family, K, transmat_prior=1.0 + np.arange(12.0).reshape(3, 4)[:, : 3 + settings.get("end", False)], **settings
    )
    model = model.resolve(source)
    return model, model.init(source, np.random.default_rng(1)), source


KINDS = {"mixture": mixture, "hmm": hmm, "hmm that ends": lambda family, d=D: hmm(family, d, end=True)}


def assert_same(a, b, **tolerance):
    assert type(a) is type(b)
    a, b = a.flatten(), b.flatten()
    assert list(a) == list(b)
    for name, value in a.items():
        assert value.shape == b[name].shape, name
        np.testing.assert_allclose(value, b[name], err_msg=name, **{"rtol": 0.0, "atol": 0.0, **tolerance})


# The weights of a mixture and those of its parts have one name: they cannot both be set by it.
SETTABLE = [(name, kind) for name in FAMILIES for kind in KINDS if not (name.startswith("mixed") and kind == "mixture")]


@pytest.mark.parametrize("d", [1, D])
@pytest.mark.parametrize(("name", "kind"), SETTABLE)
def test_what_is_shown_can_be_set(name, kind, d):
    model, params, _ = KINDS[kind](FAMILIES[name], d)
    shown = model.shown(params)
    assert set(shown) == set(model.all_names) - ({"endprob"} if kind == "hmm" else set())
    back = model.unshown({key: value.tolist() for key, value in shown.items()}, K, d)
    assert_same(back, params, rtol=1e-15, atol=1e-15)
    for value in shown.values():
        value += 1.0  # copies: the hypothesis is as it was
    assert_same(model.unshown(model.shown(params), K, d), params, rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FAMILIES)
def test_unpack_undoes_pack(name, kind):
    model, params, _ = KINDS[kind](FAMILIES[name])
    vector = model.pack(params)
    assert vector.dtype == np.float64 and vector.shape == (model.n_free(params),)
    assert_same(model.unpack(vector, params), params, rtol=1e-9, atol=1e-12)
    null = model.null(K, D)
    assert_same(model.unpack(model.pack(null), params), null, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "tied"])
def test_relabelled_it_says_the_same(name, kind):
    """Likelihood and prior stay, for parameters and configuration relabelled together; and the M-step commutes with it."""
    model, params, source = KINDS[kind](FAMILIES[name])
    fixed = {"mixture": {"weights": [0.2, np.nan, np.nan]}}.get(kind, {"startprob": [0.2, np.nan, np.nan]})
    model = replace(model, fixed=fixed, start_values={}).resolve(source)
    params = model.put_back(params)
    other, moved = model.permuted(ORDER), model.permute(params, ORDER)
    assert other.log_prior(moved) == pytest.approx(model.log_prior(params), rel=1e-12)
    assert other.n_free(moved) == model.n_free(params)
    (block,) = source
    stats, value = model.e_step(params, block)
    stats_moved, value_moved = other.e_step(moved, block)
    assert value_moved == pytest.approx(value, rel=1e-12)
    assert_same(other.m_step(stats_moved, moved), model.permute(model.m_step(stats, params), ORDER), rtol=1e-8, atol=1e-10)
    back = np.argsort(ORDER)
    assert_same(other.permute(moved, back), params)
    again = other.permuted(back)
    assert again.log_prior(params) == model.log_prior(params)
    for key, held in model.fixed.items():
        np.testing.assert_array_equal(again.fixed[key], held)


def test_relabelling_before_resolving():
    """A single number stands for every component, and stays."""
    family = Gaussian(fixed={"covariances": 4.0}, start_values={"means": [[0.0], [1.0], [2.0]]}).permuted(ORDER)
    assert family.fixed["covariances"] == 4.0
    np.testing.assert_array_equal(family.start_values["means"], [[2.0], [0.0], [1.0]])


def test_what_is_held_adds_nothing_to_the_log_prior():
    x = rows(Poisson())
    whole = Poisson(GammaPrior(3.0, 2.0)).resolve(ArraySource(x), 2)
    params = Poisson.Params(np.array([[1.0, 2.0], [3.0, 4.0]]))
    half = Poisson(GammaPrior(3.0, 2.0), fixed={"rates": [[1.0, np.nan], [np.nan, 4.0]]}).resolve(ArraySource(x), 2)
    density = whole.prior.log_density(params.rates)
    assert whole.log_prior(params) == pytest.approx(density.sum())
    assert half.log_prior(params) == pytest.approx(density[0, 1] + density[1, 0])


def test_a_prior_of_the_wrong_kind_is_refused():
    with pytest.raises(ParameterError, match="the prior of rates must be a GammaPrior, got Dirichlet") as caught:
        Poisson(Dirichlet(2.0))
    assert caught.value.parameter == "prior"
