"""Configuration to JSON and back: whatever a family, a model or an estimator is made of."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from emkit import BetaPrior, Categorical, Dirichlet, Gaussian, HiddenMarkov, Mixed, ModelFileError, NormalInverseWishart, Poisson
from emkit.core.describe import classes_in, describe, rebuild, same_description


def there_and_back(value, known=None):
    arrays = {}
    text = json.dumps(describe(value, arrays, "it"))
    return rebuild(json.loads(text), arrays, classes_in(value) if known is None else known)


@pytest.mark.parametrize(
    "value",
    [None, True, 3, 2.5, "text", [1, [2, None]], (1, (2, "x")), {"a": 1, 2: (3.0,)}, float("nan"), np.float32(1e-3), np.int64(7)],
    ids=repr,
)
def test_plain_values(value):
    back = there_and_back(value)
    assert same_description(describe(back, {}), describe(value, {}))
    assert type(back) is (type(value.item()) if isinstance(value, np.generic) else type(value))


@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (40, 3)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, bool])
def test_arrays_keep_shape_width_and_bits(shape, dtype):
    value = np.random.default_rng(0).normal(size=shape).astype(dtype)
    back = there_and_back(value)
    assert (back.dtype, back.shape) == (value.dtype, value.shape)
    np.testing.assert_array_equal(back, value)


def test_large_arrays_are_not_text():
    """A covariance of a thousand columns would be megabytes of digits."""
    arrays = {}
    description = describe(Gaussian(fixed={"means": np.zeros((50, 1000))}), arrays, "model")
    assert list(arrays) == ["model.fixed.means"]
    assert len(json.dumps(description)) < 2000


FAMILY = Mixed(Gaussian("diag", NormalInverseWishart(7.0, [1.0, 2.0])), 2, Dirichlet([2.0, 3.0]))


@pytest.mark.parametrize(
    "value",
    [
        FAMILY,
        Poisson(),
        Categorical((3, 2), Dirichlet(2.0)),
        BetaPrior(2.0, 3.0),
        HiddenMarkov(FAMILY, 3, transmat_prior=Dirichlet(np.ones((3, 3)))),
    ],
    ids=lambda value: type(value).__name__,
)
def test_families_priors_and_models(value):
    assert repr(there_and_back(value)) == repr(value)


def test_a_class_that_was_not_handed_over_is_not_built():
    with pytest.raises(ModelFileError, match=r"class 'Poisson' of 'emkit.families.poisson'.*load\(path, classes=\[...\]\)"):
        there_and_back(Poisson(), known={})


def test_what_is_neither_data_nor_configuration_is_refused_by_name():
    @dataclass(frozen=True)
    class Odd:
        inside: Any

    with pytest.raises(TypeError, match=r"it\.inside\.f=<function .* cannot be written to a file"):
        describe(Odd({"f": test_plain_values}), {}, "it")
