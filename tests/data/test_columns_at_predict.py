"""Frames with other columns at predict: every estimator says what scikit-learn says."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from emkit import HMM, DataError, GaussianMixture

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 3)), columns=["a", "b", "c"])
MODELS = [GaussianMixture(2, random_state=0), HMM(2, random_state=0)]
SCALER = StandardScaler().fit(FRAME)


@pytest.mark.parametrize("model", MODELS, ids=["mixture", "hmm"])
@pytest.mark.parametrize("columns", [["c", "b", "a"], ["a", "b"], ["a", "b", "c", "d"], ["a", "b", "d"]])
def test_other_columns(model, columns):
    model.fit(FRAME)
    other = FRAME.assign(d=1.0)[columns]
    with pytest.raises(ValueError) as theirs:
        SCALER.transform(other)
    with pytest.raises(ValueError) as ours:
        model.predict(other)
    assert str(ours.value) == str(theirs.value)
    if isinstance(model, HMM):
        assert isinstance(ours.value, DataError)


@pytest.mark.parametrize("model", MODELS, ids=["mixture", "hmm"])
def test_arrays_after_frames_and_frames_after_arrays(model):
    model.fit(FRAME)
    with pytest.warns(UserWarning, match="X does not have valid feature names, but .* was fitted with feature names"):
        model.predict(FRAME.to_numpy())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(FRAME)
    model.fit(FRAME.to_numpy())
    with pytest.warns(UserWarning, match="X has feature names, but .* was fitted without feature names"):
        model.predict(FRAME)
    with pytest.raises(ValueError, match=r"X has 2 features, but .* is expecting 3 features as input"):
        model.predict(FRAME.to_numpy()[:, :2])
