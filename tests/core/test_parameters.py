"""Domains: what they check, what says little, and coordinates that lead back to the value, whatever is held."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emkit import ParameterError
from emkit.core.parameters import Nonnegative, Ordered, Parameter, Positive, Real, Simplex, Unit
from emkit.families.gaussian.shapes import COVARIANCE_TYPES, Covariance
from support.gaussians import random_params

SHAPE = (3, 4)
DOMAINS = {
    "real": (Real(), lambda rng: rng.normal(size=SHAPE)),
    "positive": (Positive(), lambda rng: rng.gamma(1.0, size=SHAPE) + 1e-6),
    "nonnegative": (Nonnegative(), lambda rng: rng.gamma(1.0, size=SHAPE) + 1e-6),
    "unit": (Unit(), lambda rng: rng.uniform(1e-3, 1.0 - 1e-3, size=SHAPE)),
    "simplex": (Simplex(), lambda rng: rng.dirichlet(np.ones(4), 3)),
    "ordered": (Ordered(), lambda rng: np.cumsum(rng.gamma(1.0, size=SHAPE) + 1e-3, axis=1) - 2.0),
    **{
        f"covariance-{name}": (Covariance(shape), lambda rng, name=name: random_params(name, rng, 3, 4).covariances)
        for name, shape in COVARIANCE_TYPES.items()
    },
}
ELEMENTWISE = ("real", "positive", "nonnegative", "unit")


def held_entries(name, value, rng, share):
    """What can be held in this domain: entries, or rows and matrices as a whole."""
    whole = name == "ordered" or (name.startswith("covariance") and value.ndim == 3)
    shape = (value.shape[0],) + (1,) * (value.ndim - 1) if whole else value.shape
    return np.where(np.broadcast_to(rng.random(shape) < share, value.shape), value, np.nan)


@pytest.mark.parametrize("name", DOMAINS)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.sampled_from([0.0, 0.3, 1.0]))
def test_unpack_undoes_pack(name, seed, share):
    domain, draw = DOMAINS[name]
    rng = np.random.default_rng(seed)
    value = domain.check(draw(rng), name, name)
    held = held_entries(name, value, rng, share)
    vector = domain.pack(value, held)
    assert vector.ndim == 1 and len(vector) == domain.n_free(held)
    tail = rng.normal(size=3)  # what belongs to the next parameter is left alone
    back, used = domain.unpack(np.concatenate([vector, tail]), held)
    assert used == len(vector)
    np.testing.assert_allclose(back, value, rtol=1e-9, atol=1e-12)
    given_ones = ~np.isnan(held)
    np.testing.assert_array_equal(back[given_ones], held[given_ones])
    domain.check(back, name, name)


@pytest.mark.parametrize("name", DOMAINS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_every_vector_is_a_value(name, seed):
    """Coordinates are unconstrained: whatever an optimiser tries is in the domain, and is read back as it was."""
    domain, draw = DOMAINS[name]
    rng = np.random.default_rng(seed)
    held = held_entries(name, draw(rng), rng, 0.3)
    vector = 0.7 * rng.normal(size=domain.n_free(held))
    value, used = domain.unpack(vector, held)
    assert used == len(vector) and np.isfinite(value).all()
    domain.check(value, name, name)
    np.testing.assert_allclose(domain.pack(value, held), vector, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", DOMAINS)
def test_what_says_little_is_in_the_domain(name):
    domain, draw = DOMAINS[name]
    null = domain.null(draw(np.random.default_rng(0)).shape)
    np.testing.assert_allclose(domain.check(null, name, name), null, rtol=1e-15)
    assert null.flags.writeable and null.flags.owndata


def test_coordinates_are_what_is_said():
    free = np.full(3, np.nan)
    np.testing.assert_allclose(Positive().pack(np.array([1.0, np.e, 0.5]), free), [0.0, 1.0, np.log(0.5)])
    np.testing.assert_allclose(Unit().pack(np.array([0.5, 0.8, 0.2]), free), [0.0, np.log(4.0), -np.log(4.0)], atol=1e-15)
    np.testing.assert_allclose(Simplex().pack(np.array([0.2, 0.3, 0.5]), free), np.log([0.4, 0.6]))
    np.testing.assert_allclose(Ordered().pack(np.array([-1.0, 0.0, np.e]), free), [-1.0, 0.0, 1.0])
    lower = np.array([[2.0, 0.0], [3.0, 1.0]])
    full = Covariance(COVARIANCE_TYPES["full"]).pack((lower @ lower.T)[None], np.full((1, 2, 2), np.nan))
    np.testing.assert_allclose(full, [np.log(2.0), 3.0, 0.0], atol=1e-15)


@pytest.mark.parametrize(("domain", "edges"), [(Nonnegative(), [0.0]), (Unit(), [0.0, 1.0]), (Simplex(), [0.0, 1.0])])
def test_the_edge_has_finite_coordinates(domain, edges):
    value = np.array(edges)
    value = domain.check(value, "p", "p")
    vector = domain.pack(value, np.full(value.shape, np.nan))
    assert np.isfinite(vector).all()
    np.testing.assert_allclose(domain.unpack(vector, np.full(value.shape, np.nan))[0], value, atol=1e-15)


@pytest.mark.parametrize(
    ("domain", "value", "message"),
    [
        (Positive(), [1.0, 0.0], "p must be finite and above 0, but holds 0"),
        (Nonnegative(), [1.0, -0.5], "p must be finite and not negative, but holds -0.5"),
        (Unit(), [0.5, 1.5], "p must be between 0 and 1, but holds 1.5"),
        (Simplex(), [0.5, 0.6], "p must add up to 1, it adds up to 1.1"),
        (Simplex(), [[0.5, 0.5], [0.7, 0.2]], "p row 1 must add up to 1, it adds up to 0.9"),
        (Simplex(), [np.nan, 1.2], "p must add up to 1 at most, it adds up to 1.2"),
        (Simplex(), [-0.5, 1.5], "p must be finite and nonnegative, but holds -0.5"),
        (Ordered(), [0.0, 1.0, 1.0], "p must ascend along its last axis"),
        (Ordered(), [0.0, np.nan], "p holds NaN; ordered values are held all together"),
        (Covariance(COVARIANCE_TYPES["diag"]), [[1.0, -2.0]], "p: every variance must be positive, found -2"),
        (Covariance(COVARIANCE_TYPES["full"]), [[[1.0, 0.5], [0.2, 1.0]]], "p: matrix 0 is not symmetric"),
        (Covariance(COVARIANCE_TYPES["full"]), [[[1.0, np.nan], [0.0, 1.0]]], "p: matrix 0 holds some NaN"),
        (Covariance(COVARIANCE_TYPES["full"]), [[[1.0, 2.0], [2.0, 1.0]]], "p: matrix 0 is not positive definite"),
    ],
)
def test_checks_name_the_value(domain, value, message):
    with pytest.raises(ParameterError) as caught:
        domain.check(np.array(value), "p", "theirs")
    assert str(caught.value).startswith(message)
    assert caught.value.parameter == "theirs"


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_what_is_not_given_is_not_checked(name):
    value = np.array([np.nan, 0.5])
    np.testing.assert_array_equal(DOMAINS[name][0].check(value, "p", "p"), value)


def test_a_simplex_is_rescaled_to_the_last_digit():
    value = np.array([1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0 + 2e-7])
    assert Simplex().check(value, "p", "p").sum() == 1.0
    partly = np.array([0.3, np.nan, 0.2])
    np.testing.assert_array_equal(Simplex().check(partly, "p", "p"), partly)


# --- shapes as users give and see them ------------------------------------------------------------------------------------

SIZES = {"K": 3, "d": 1, "L": 4}


@pytest.mark.parametrize(
    ("letters", "sizes", "shown"),
    [
        ("K", {"K": 3}, (3,)),
        ("K d", {"K": 3, "d": 2}, (3, 2)),
        ("K d", {"K": 3, "d": 1}, (3, 1)),
        ("K d", {"K": 1, "d": 1}, (1, 1)),
        ("K d L", {"K": 3, "d": 2, "L": 4}, (3, 2, 4)),
        ("K d L", {"K": 3, "d": 1, "L": 4}, (3, 4)),
        ("K d d", {"K": 3, "d": 1}, (3, 1, 1)),
        ("1 d d", {"K": 3, "d": 2}, (2, 2)),
        ("1 d", {"K": 3, "d": 2}, (2,)),
        ("1 d", {"K": 3, "d": 1}, (1,)),
        ("K 1", {"K": 3}, (3,)),
        ("K 1", {"K": 1}, (1,)),
        ("K K", {"K": 3}, (3, 3)),
    ],
)
def test_shown_and_read_back(letters, sizes, shown):
    parameter = Parameter("it", letters, Real())
    form = parameter.form(sizes)
    value = np.random.default_rng(0).normal(size=form)
    out = parameter.show(value)
    assert out.shape == shown
    back = parameter.read(out, sizes, "it", partial=False)
    np.testing.assert_array_equal(back, value)
    assert back.dtype == np.float64 and back.shape == form
    out += 1.0  # a copy
    assert not np.array_equal(out.ravel(), value.ravel())
    np.testing.assert_array_equal(parameter.read(value.tolist(), sizes, "it", partial=False), value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[1.0], [2.0]], r"fixed\['it'\] has shape \(2, 1\), expected \(3, 1, 4\)"),
        (np.zeros((4, 3)), r"has shape \(4, 3\)"),
        (np.zeros(12), r"has shape \(12,\)"),
        (np.full((3, 4), np.inf), "holds NaN or inf"),
        (np.full((3, 4), np.nan), "holds NaN or inf"),
        ("many", "is not numeric"),
        ([[1.0], [2.0, 3.0]], "is not numeric"),
        (np.ma.masked_equal(np.eye(3, 4), 1.0), "is a masked array"),
    ],
)
def test_refused_values_name_the_parameter(value, message):
    with pytest.raises(ParameterError, match=message) as caught:
        Parameter("it", "K d L", Real()).read(value, SIZES, "fixed['it']", partial=False)
    assert caught.value.parameter == "it"


def test_partly_given():
    value = [[1.0, np.nan], [np.nan, 2.0]]
    parameter = Parameter("it", "K d", Positive())
    found = parameter.read(value, {"K": 2, "d": 2}, "fixed['it']", partial=True)
    np.testing.assert_array_equal(found, value)
    with pytest.raises(ParameterError, match="holds NaN or inf"):
        parameter.read([[1.0, np.inf], [np.nan, 2.0]], {"K": 2, "d": 2}, "fixed['it']", partial=True)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("d", [1, 2])
def test_covariances_in_scikit_learns_shapes(covariance_type, d):
    """What is shown is what can be given, for one column too."""
    shape = COVARIANCE_TYPES[covariance_type]
    parameter = Parameter("covariances", shape.letters, Covariance(shape))
    value = random_params(covariance_type, 1, 3, d).covariances
    faces = {"full": (3, d, d), "tied": (d, d), "diag": (3, d), "spherical": (3,), "tied-diag": (d,), "tied-spherical": ()}
    assert parameter.show(value).shape == faces[covariance_type]
    np.testing.assert_array_equal(parameter.read(parameter.show(value), {"K": 3, "d": d}, "c", partial=False), value)
    with pytest.raises(ParameterError, match=r"has shape \(7,\), expected .* \(or a single number\)"):
        parameter.read(np.ones(7), {"K": 3, "d": d}, "c", partial=False)


# --- relabelling ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("letters", "shape"), [("K", (3,)), ("K d", (3, 2)), ("K K", (3, 3)), ("K K", (3, 4)), ("1 d", (1, 2)), ("K d", (3, 3))]
)
def test_relabelled_along_its_own_axes(letters, shape):
    """New component i is old order[i]; the end of a chain, and columns, keep their places."""
    value = np.arange(float(np.prod(shape))).reshape(shape)
    order = np.array([2, 0, 1])
    expected = value
    if letters.startswith("K"):
        expected = expected[order]
    if letters == "K K":
        expected = expected[:, [*order, *range(3, shape[1])]]
    parameter = Parameter("it", letters, Real())
    found = parameter.permute(value, order)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(parameter.permute(found, np.argsort(order)), value)
    assert found.flags.c_contiguous
