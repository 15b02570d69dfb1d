"""Tables that cannot be fitted as they are, and cells that no component can produce: said by column and row, not passed over."""

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from emkit import DataError, GaussianMixture, LatentClass, Mixture, ParameterError

RNG = np.random.default_rng(0)
PEOPLE = pd.DataFrame({"visits": RNG.poisson(3.0, 80), "smokes": RNG.random(80) < 0.5})


@pytest.mark.parametrize(
    ("cells", "words"),
    [({"visits": [1.5], "smokes": [True]}, "column 'visits' row 0 is 1.5, expected a count"),
     ({"visits": [-1], "smokes": [True]}, "column 'visits' row 0 is -1, expected a count"),
     ({"visits": [1], "smokes": [2]}, "column 'smokes' row 0 is 2, expected 0 or 1")],
)  # fmt: skip
@pytest.mark.parametrize("what", ["predict", "predict_proba", "score", "score_samples", "impute"])
def test_cells_that_no_component_can_produce(cells, words, what):
    model = Mixture(2, n_init=1, random_state=0).fit(PEOPLE)
    with pytest.raises(DataError) as caught:
        getattr(model, what)(pd.DataFrame(cells))
    assert words in str(caught.value)


@pytest.mark.parametrize("frame", [pd.DataFrame, lambda cells: pa.table({name: list(column) for name, column in cells.items()})])
@pytest.mark.parametrize("kind", [Mixture, LatentClass])
def test_whole_numbers_that_floating_point_cannot_tell_apart(frame, kind):
    cells = {"id": [2**53 + i % 2 for i in range(60)], "b": ["x", "y"] * 30}
    with pytest.raises(DataError, match="column 'id' row 1 is 9007199254740993: whole numbers beyond"):
        kind(1).fit(frame(cells))


def test_large_whole_numbers_that_it_can_are_taken():
    model = Mixture(1).fit(pd.DataFrame({"big": [2**60 + 2**20 * i for i in range(50)]}))
    assert model.means_[0, 0] == pytest.approx(2**60, rel=1e-6)


@pytest.mark.parametrize("word", ["gamma", "beta", "truncated_normal", "von_mises", "lognormal", "student_t"])
def test_a_constant_column_on_which_components_would_collapse(word):
    x = np.column_stack([np.full(50, 0.5), RNG.normal(size=50)])
    with pytest.raises(DataError, match="column 0 is constant"):
        Mixture(1, {0: word}).fit(x)


def test_a_family_without_columns():
    with pytest.raises(ParameterError, match="has no column"):
        Mixture(2, {(): "gaussian"}).fit(PEOPLE)


def test_noise_and_holes():
    x = np.concatenate([RNG.normal(size=(60, 2)), RNG.normal(size=(60, 2)) + 6.0, RNG.uniform(-5, 12, (8, 2))])
    model = GaussianMixture(2, noise=True, n_init=2, random_state=0).fit(x)
    holes = np.array([[0.0, np.nan], [6.0, np.nan]])
    filled = model.impute(holes)
    np.testing.assert_array_equal(filled[:, 0], holes[:, 0])
    assert abs(filled[0, 1]) < 1.5 and abs(filled[1, 1] - 6.0) < 1.5


def test_covariates_that_separate_classes_have_no_standard_errors():
    answers = pd.DataFrame((np.random.default_rng(1).random((300, 4)) < 0.5).astype(int), columns=list("abcd"))
    model = LatentClass(2, random_state=0, max_iter=300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(answers)
    with pytest.warns(UserWarning, match="separates classes"):
        found = model.three_step(answers, covariates=pd.DataFrame({"s": answers.d}))
    assert "nan" in str(found)
