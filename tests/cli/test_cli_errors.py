"""``emkit errors``."""

import json

import numpy as np


def test_a_table_of_every_parameter(emkit, data, model):
    said = emkit("errors", model, data)
    assert said.exit_code == 0 and "means[2, 1]" in said.stdout and "95 % interval" in said.stdout
    assert "90 % interval" in emkit("errors", model, data, "--level", 0.9).stdout


def test_json_has_what_the_library_says(emkit, data, model, table):
    import emkit as library

    found = json.loads(emkit("errors", model, data, "--method", "sandwich", "--json").stdout)
    wanted = library.load(model).standard_errors(table.select(["a", "b"]), method="sandwich")
    np.testing.assert_allclose(found["parameters"]["means"]["std_error"], wanted["means"], rtol=1e-12)
    assert found["method"] == "sandwich" and np.shape(found["parameters"]["means"]["interval"]) == (3, 2, 2)


def test_other_rows_than_those_of_the_fit_are_noticed(emkit, data, model):
    assert "data of the fit" in emkit("errors", model, data, "--weights", "w").stdout


def test_what_cannot_be_is_refused(emkit, data, model, one_line):
    assert "method" in one_line(emkit("errors", model, data, "--method", "jackknife"))
    assert "level" in one_line(emkit("errors", model, data, "--level", 95))
    assert "at least 20" in one_line(emkit("errors", model, data, "--method", "bootstrap", "--replicates", 2))
