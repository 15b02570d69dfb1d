"""Slivers on the command line: in the report, in JSON, and as a warning on stderr."""

import json

import numpy as np


def test_the_report_names_it(emkit, tmp_path):
    data = tmp_path / "x.csv"
    x = np.concatenate([np.random.default_rng(8).normal(0, 1, (150, 2)), [[300.0, 300.0]]])
    np.savetxt(data, x, delimiter=",", header="a,b", comments="")
    found = emkit("fit", data, "-k", 2)
    assert "a sliver: component 1 holds 1 row (weight 0.0066), fewer than its 5 free parameters" in found.stdout
    assert found.stderr.count("warning: a sliver: component 1") == 1
    told = json.loads(emkit("fit", data, "-k", 2, "--json").stdout)["slivers"]
    assert [(s["label"], s["index"], round(s["rows"], 6)) for s in told] == [("component", 1, 1.0)]
