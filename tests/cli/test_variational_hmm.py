"""The variational HMMs on the command line: their lower bound in place of AIC and BIC, and predictions at the point estimates."""

import json

import numpy as np
import pytest

import emkit as library


@pytest.mark.parametrize("model", ["variational-gaussian-hmm", "variational-categorical-hmm"])
def test_fit_inspect_predict_forecast(emkit, tmp_path, model):
    rng, state = np.random.default_rng(0), np.repeat([0, 1, 0, 1], 10)
    x = rng.normal(5.0 * state, size=40).round(3) if "gaussian" in model else np.where(rng.random(40) < 0.8, state, 2)
    (tmp_path / "x.csv").write_text("x\n" + "\n".join(map(str, x)) + "\n")
    words = ["--model", model, "-k", 2, "--n-init", 2, "--set", "transmat_prior=0.5", "--out", "m.safetensors"]
    found = json.loads(emkit("fit", "x.csv", *words, "--json", "--quiet").stdout)
    assert found["lower_bound"] == pytest.approx(found["log_likelihood"] + found["log_prior"]) and "aic" not in found
    assert "lower bound of the log evidence" in emkit("inspect", "m.safetensors").stdout
    fitted = library.load("m.safetensors")
    np.testing.assert_array_equal(fitted.transmat_prior_, np.full((2, 2), 0.5))
    rows = [json.loads(line) for line in emkit("predict", "m.safetensors", "x.csv", "--json").stdout.splitlines()]
    assert [row["state"] for row in rows] == fitted.predict(x[:, None]).tolist()
    ahead = emkit("forecast", "m.safetensors", "x.csv", "--horizon", 2)
    assert ahead.exit_code == 0 and len(ahead.stdout.splitlines()) == 3
