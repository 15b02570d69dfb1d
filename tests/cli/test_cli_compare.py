"""``emkit compare``."""

import json

import numpy as np

from emkit import GaussianMixture


def test_it_says_what_the_method_says(emkit, one_line, tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 2))
    fits = {kind: GaussianMixture(1, covariance_type=kind, random_state=0).fit(x) for kind in ("diag", "full")}
    diag, full = (tmp_path / kind for kind in fits)
    for kind, fitted in fits.items():
        fitted.save(tmp_path / kind)
    found = fits["full"].compare_lr_test(fits["diag"])
    said = emkit("compare", diag, full)
    assert said.exit_code == 0 and said.stdout.strip() == str(found)
    assert json.loads(emkit("compare", diag, full, "--json").stdout) == {"statistic": found.statistic, "df": 1, "p": found.p}
    assert "the latter must be the one with more" in one_line(emkit("compare", full, diag))
    assert "none" in one_line(emkit("compare", tmp_path / "none", full))
