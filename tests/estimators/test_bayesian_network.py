"""BayesianNetwork as users meet it: queries by hand, holes, hidden nodes, states however they are written, what is refused."""

import pickle
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import emkit
from emkit import BayesianNetwork, BDeu, DataError, LatentClass, ParameterError
from emkit.estimators.network_structure import pairs_of

ASIA = Path(__file__).parents[1] / "io" / "networks" / "asia.bif"
RAIN = {
    "names": ["rain", "sprinkler", "wet grass"],
    "states": {"rain": ["no", "yes"], "sprinkler": [False, True], "wet grass": [0, 1]},
    "parents": {"sprinkler": ["rain"], "wet grass": ["sprinkler", "rain"]},
    "tables": {
        "rain": [0.8, 0.2],
        "sprinkler": [[0.6, 0.4], [0.99, 0.01]],
        "wet grass": [[[0.95, 0.05], [0.2, 0.8]], [[0.1, 0.9], [0.01, 0.99]]],
    },
}


@pytest.fixture
def rain():
    return BayesianNetwork.from_tables(**RAIN, random_state=0)


@pytest.fixture(scope="module")
def asia():
    return BayesianNetwork.from_file(ASIA, random_state=0)


@pytest.fixture
def rows():
    """A binary, a boolean and a named column, each depending on the one before, with holes."""
    rng = np.random.default_rng(0)
    a = rng.integers(0, 2, 300)
    b = a ^ (rng.random(300) < 0.2)
    c = b + (rng.random(300) < 0.3)
    table = pd.DataFrame({"a": a.astype(float), "b": b.astype(bool), "my c'\"é": pd.Categorical(np.array(["x", "y", "z"])[c])})
    table["b"] = table["b"].astype(object)
    return table.mask(rng.random(table.shape) < 0.1)


EDGES = [("a", "b"), ("b", "my c'\"é")]


def joint(rain, sprinkler, wet):
    """The probability of numbers of states, by the chain rule."""
    tables = {name: np.array(table) for name, table in RAIN["tables"].items()}
    return tables["rain"][rain] * tables["sprinkler"][rain, sprinkler] * tables["wet grass"][sprinkler, rain, wet]


# --- questions ------------------------------------------------------------------------------------------------------------


def test_a_query_is_bayes_rule(rain):
    seen = [sum(joint(r, s, 1) for s in (0, 1)) for r in (0, 1)]
    answer = rain.query("rain", {"wet grass": 1})
    assert answer["yes"] == pytest.approx(seen[1] / sum(seen), rel=1e-12)
    assert sum(answer.to_dict().values()) == pytest.approx(1.0)
    both = rain.query(["sprinkler", "rain"], {"wet grass": 1})
    assert both[True, "no"] == pytest.approx(joint(0, 1, 1) / sum(seen), rel=1e-12)


def test_soft_evidence_multiplies_likelihoods(rain):
    weights = [sum(joint(r, s, 1) * (0.5, 2.0)[r] for s in (0, 1)) for r in (0, 1)]
    for soft in ([0.5, 2.0], {"no": 1, "yes": 4}):
        answer = rain.query("rain", {"wet grass": 1}, soft={"rain": soft})
        assert answer["yes"] == pytest.approx(weights[1] / sum(weights), rel=1e-12)


def test_setting_is_not_seeing(rain):
    """Whoever turns the sprinkler on learns nothing of the rain; whoever sees it on does."""
    assert rain.do({"sprinkler": True}).query("rain")["yes"] == pytest.approx(0.2)
    assert rain.query("rain", {"sprinkler": True})["yes"] == pytest.approx(0.002 / 0.322)
    wet = sum((0.8, 0.2)[r] * RAIN["tables"]["wet grass"][1][r][1] for r in (0, 1))
    assert rain.do({"sprinkler": True}).query("wet grass")[1] == pytest.approx(wet)


def test_the_most_probable_states_are_those_of_enumeration(rain):
    best = max(product((0, 1), (0, 1), (1,)), key=lambda states: joint(*states))
    found, log_probability = rain.most_probable({"wet grass": 1})
    assert found == {"rain": ["no", "yes"][best[0]], "sprinkler": bool(best[1]), "wet grass": 1}
    assert log_probability == pytest.approx(np.log(joint(*best)))


def test_holes_are_filled_jointly(rain):
    holes = pd.DataFrame({"rain": [None, "yes", None], "sprinkler": [None, None, True], "wet grass": [1, None, 0]})
    filled = rain.impute(holes)
    for given, row in zip(holes.itertuples(index=False), filled.itertuples(index=False), strict=True):
        spaces = [
            [0, 1] if pd.isna(cell) else [list(s).index(cell)] for cell, s in zip(given, RAIN["states"].values(), strict=True)
        ]
        best = max(product(*spaces), key=lambda states: joint(*states))
        assert [list(s).index(cell) for cell, s in zip(row, RAIN["states"].values(), strict=True)] == list(best)


def test_draws_in_holes_have_the_posterior(rain):
    holes = pd.DataFrame({"rain": [None] * 100, "wet grass": [1] * 100})
    drawn = pd.concat(rain.impute(holes, n_draws=40))  # forty times a hundred rows that are alike
    assert (drawn["rain"] == "yes").mean() == pytest.approx(rain.query("rain", {"wet grass": 1})["yes"], abs=0.03)
    assert pd.concat(rain.impute(holes, n_draws=40)).equals(drawn)


def test_predictions_do_not_look_at_the_cell_itself(rain):
    table = pd.DataFrame({"rain": ["yes", "no"], "wet grass": [1, 1]})
    p = rain.predict_proba(table, "rain")
    np.testing.assert_allclose(p, np.tile(rain.query("rain", {"wet grass": 1}).values, (2, 1)))
    assert rain.predict(table, "rain").tolist() == ["no", "no"]
    every = rain.predict_proba(table)  # of no node in particular: the whole row counts
    assert every["rain"].tolist() == [[0.0, 1.0], [1.0, 0.0]]
    np.testing.assert_allclose(every["sprinkler"][0], rain.query("sprinkler", {"rain": "yes", "wet grass": 1}).values)


def test_samples_obey_the_evidence(asia):
    seen, _ = asia.sample(2000, {"xray": "yes"})
    table = pd.DataFrame(seen, columns=asia.feature_names_in_)
    assert set(table["xray"]) == {"yes"}
    assert (table["lung"] == "yes").mean() == pytest.approx(asia.query("lung", {"xray": "yes"})["yes"], abs=0.04)


# --- fitting --------------------------------------------------------------------------------------------------------------


def test_a_fit_to_samples_comes_near_the_tables(asia):
    table = pd.DataFrame(asia.sample(20_000)[0], columns=asia.feature_names_in_)
    table = table.mask(np.random.default_rng(0).random(table.shape) < 0.1)
    again = BayesianNetwork(
        asia.structure_.graph.edges, states=dict(zip(asia.structure_.graph.names, asia.structure_.states, strict=True))
    )
    again.fit(table)
    assert again.score(table) >= asia.score(table)
    for name in ("smoke", "bronc", "dysp", "xray"):
        np.testing.assert_allclose(again.cpd(name), asia.cpd(name), atol=0.06)


def test_complete_rows_are_counted(rows):
    full = rows.dropna()
    net = BayesianNetwork(EDGES).fit(full)
    counts = pd.crosstab(full["a"], full["b"].astype(bool), normalize="index")
    np.testing.assert_allclose(net.b_, counts)
    smooth = BayesianNetwork(EDGES, prior={"a": BDeu(4.0)}).fit(full)
    np.testing.assert_allclose(smooth.b_, counts)


def test_a_hidden_root_is_a_latent_class():
    rng = np.random.default_rng(3)
    x = (rng.random((500, 5)) < np.where(rng.random((500, 1)) < 0.4, 0.8, 0.2)).astype(float)
    x[rng.random(x.shape) < 0.1] = np.nan
    settings = {"n_init": 4, "random_state": 0, "tol": 1e-10, "max_iter": 5000}
    net = BayesianNetwork([("class", f"x{j}") for j in range(5)], latent={"class": 2}, **settings).fit(x)
    classes = LatentClass(2, **settings).fit(x)
    assert net.score(x) == pytest.approx(classes.score(x), abs=1e-8)
    np.testing.assert_allclose(np.sort(net.class_), np.sort(classes.weights_), atol=1e-4)


def test_weights_are_repetitions(rows):
    weights = np.random.default_rng(1).integers(0, 3, len(rows))
    exact = {"tol": 1e-10, "max_iter": 5000}
    weighted = BayesianNetwork(EDGES, **exact).fit(rows, sample_weight=weights)
    repeated = BayesianNetwork(EDGES, **exact).fit(rows.loc[np.repeat(np.arange(len(rows)), weights)])
    np.testing.assert_allclose(weighted.b_, repeated.b_, atol=1e-6)


def test_tied_tables_are_one_and_overlapping_groups_too():
    x = pd.DataFrame(np.random.default_rng(0).integers(0, 2, (100, 6)), columns=list("abcdef"))
    used = sum((x[parent] == 0).sum() for parent in "ace")
    ones = sum(((x[parent] == 0) & (x[child] == 1)).sum() for parent, child in ("ab", "cd", "ef"))
    for tied in ([("b", "d"), ("d", "f")], [("d", "f"), ("b", "d")], [("b", "f"), ("d", "f")]):
        net = BayesianNetwork("a->b, c->d, e->f", tied=tied).fit(x)
        for name in "bdf":
            assert net.cpd(name).to_numpy()[0, 1] == pytest.approx(ones / used)


def test_fixed_rows_stay(rows):
    net = BayesianNetwork(EDGES, fixed={"b": [[0.9, 0.1], [np.nan, np.nan]]}).fit(rows)
    assert net.b_[0].tolist() == [0.9, 0.1]


def test_nothing_depends_on_threads_or_on_the_run(rows):
    net = BayesianNetwork([*EDGES, ("H", "a"), ("H", "b")], latent={"H": ["low", "high"]}, n_init=2, random_state=0)
    first = net.fit(rows)
    assert clone(net).set_params(n_jobs=2).fit(rows).b_.tobytes() == first.b_.tobytes()
    assert set(first.predict(rows, "H")) <= {"low", "high"}


def test_hidden_nodes_that_cannot_be_learnt_are_said():
    x = pd.DataFrame({"b": [0, 1, 0, 1, 1]})
    with pytest.warns(UserWarning, match="'H' has no observed descendant"):
        BayesianNetwork("b->H", latent={"H": 2}).fit(x)
    with pytest.warns(UserWarning, match="single child 'b'"):
        BayesianNetwork("H->b", latent={"H": 2}).fit(x)


# --- states and columns ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [1, "1", 1.0, "1.0", np.int64(1)])
def test_a_state_may_be_written_in_several_ways(rows, state):
    net = BayesianNetwork(EDGES).fit(rows)
    assert net.structure_.states[0] == (0, 1)  # though holes made the column floats
    assert net.query("b", {"a": state})[True] == net.query("b", {"a": 1})[True]


def test_states_that_differ_in_writing_only_are_told_apart():
    x = pd.DataFrame({"code": ["01", "1", "1.0"], "y": ["u", "v", "w"]})
    net = BayesianNetwork("code->y").fit(x)
    assert [net.query("y", {"code": code})[y] for code, y in x.itertuples(index=False)] == [1.0, 1.0, 1.0]
    assert net.predict(x[["code"]], "y").tolist() == ["u", "v", "w"]


def test_truths_with_holes_may_come_as_numbers(rows):
    net = BayesianNetwork(EDGES).fit(rows)
    assert net.structure_.states[1] == (False, True)
    numbers = rows.assign(b=rows["b"].astype(float))
    assert net.score(numbers) == net.score(rows.astype({"b": "boolean"})) == net.score(rows)
    assert net.query("a", {"b": 1})[1] == net.query("a", {"b": True})[1]


def test_columns_come_in_any_order_and_may_lack(rows):
    net = BayesianNetwork(EDGES).fit(rows)
    assert np.array_equal(net.predict(rows), net.predict(rows[rows.columns[::-1]]))
    np.testing.assert_allclose(net.score_samples(rows[["a"]].dropna()), np.log(net.a_[rows["a"].dropna().astype(int)]))


def test_tables_of_any_kind_say_the_same(rows):
    table = rows.astype({"b": "boolean", "a": "Int64"})
    fits = [BayesianNetwork(EDGES, random_state=0).fit(x) for x in (rows, table, pl.from_pandas(table))]
    assert len({fit.score(rows) for fit in fits}) == 1
    assert isinstance(fits[0].impute(pl.from_pandas(table)), pl.DataFrame)


def test_saved_pickled_and_cloned_it_stays_itself(rows, tmp_path):
    net = BayesianNetwork([*EDGES, ("H", "a"), ("H", "b")], latent={"H": 2}, random_state=0, n_init=2).fit(rows)
    net.save(tmp_path / "net.safetensors")
    for other in (emkit.load(tmp_path / "net.safetensors"), pickle.loads(pickle.dumps(net)), clone(net).fit(rows)):
        assert other.score(rows) == net.score(rows) and other.structure_ == net.structure_


# --- refused --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"edges": "a->b->a"}, "circle"),
        ({"edges": "a->q"}, "'q', which is no column"),
        ({"edges": "a-b"}, "is no edge"),
        ({"latent": {"a": 2}}, "'a' is a column of the data"),
        ({"edges": "H->a", "latent": ["H"]}, "how many states"),
        ({"edges": "H->a", "latent": {"H": []}}, "is empty"),
        ({"edges": "H->a", "latent": {"H": ["u", "u"]}}, "written alike"),
        ({"edges": "H->a", "latent": {"H": 10**12}}, "at most"),
        ({"latent": 3}, "name the hidden nodes"),
        ({"states": {"q": [0, 1]}}, "'q', which is no node"),
        ({"states": {"a": 2}}, "give all states"),
        ({"states": {"a": [1]}}, "which is no state of that node"),
        ({"tied": 5}, "give groups of nodes"),
        ({"max_table": "large"}, "a number of cells"),
        ({"count_unobserved": "yes"}, "True or False"),
        ({"edges": "H->G, H->a, G->b", "latent": {"H": 3, "G": 3}, "max_table": 4}, "'H', 'G' depend on each other .* 9 cells"),
        ({"edges": EDGES, "fixed": {"b": [[0.9, 0.2], [0.5, 0.5]]}}, "must add up to 1"),
    ],
)
def test_wrong_settings_are_named(rows, settings, message):
    with pytest.raises(ValueError, match=message):
        BayesianNetwork(**settings).fit(rows)


def test_a_table_too_large_for_memory_is_named_before_it_is_made():
    x = pd.DataFrame(np.random.default_rng(0).integers(0, 10, (100, 21)), columns=[f"c{i}" for i in range(21)])
    with pytest.raises(ParameterError, match="table of node 'c20' with 20 parents has 1e"):
        BayesianNetwork([(f"c{i}", "c20") for i in range(20)]).fit(x)


def test_what_the_tables_rule_out_is_named_with_its_states(asia):
    bad = {"lung": "yes", "either": "no"}
    table = pd.DataFrame([{"lung": "no", "either": "no"}, bad])
    said = "rule out 'lung' in state 'yes' and 'either' in state 'no' together"
    for ask in (asia.score, asia.predict, asia.predict_proba, asia.impute, asia.table):
        with pytest.raises(DataError, match=f"row 1 .*{said}"):
            ask(table)
    for ask in (lambda: asia.query("asia", bad), lambda: asia.most_probable(bad), lambda: asia.sample(3, bad)):
        with pytest.raises(DataError, match=f"the evidence .*{said}"):
            ask()


def test_evidence_against_uncertain_evidence_is_named(rain):
    with pytest.raises(DataError, match="rule out 'rain' in state 'yes' and what is seen of rain together"):
        rain.query("sprinkler", {"rain": "yes"}, soft={"rain": {"no": 1, "yes": 0}})


def test_questions_that_make_no_sense_are_named(rain):
    for ask, message in (
        (lambda: rain.query("snow"), "no node 'snow'"),
        (lambda: rain.query("rain", {"sprinkler": "off"}), "no state 'off'"),
        (lambda: rain.query("rain", "sprinkler=on"), "a dict of nodes and their states"),
        (lambda: rain.query("rain", soft={"sprinkler": "on"}), "are no numbers"),
        (lambda: rain.query("rain", soft={"sprinkler": {True: 1.0}}), "no likelihood is given for the state False"),
        (lambda: rain.predict(pd.DataFrame({"rain": ["no"]}), []), "columns is empty"),
    ):
        with pytest.raises(ParameterError, match=message):
            ask()
    with pytest.raises(NotFittedError):
        BayesianNetwork("a->b").query("a")


def test_edges_may_be_texts_and_two_letters_are_no_edge():
    assert pairs_of(["A->B->C", ("C", "D")]) == [("A", "B"), ("B", "C"), ("C", "D")]
    with pytest.raises(ParameterError, match="'ab' is no edge"):
        pairs_of(["ab"])
    with pytest.raises(ParameterError, match="called by their place, 'x0', 'x1'"):
        BayesianNetwork([(0, 1)]).fit(pd.DataFrame({0: [0, 1], 1: [1, 0]}))


def test_a_network_with_a_node_set_keeps_no_noisy_or_of_it():
    x = np.random.default_rng(0).integers(0, 2, (200, 3))
    net = BayesianNetwork("x0->x2, x1->x2", noisy_or=["x2"]).fit(x)
    assert net.do({"x2": 1}).noisy_or is None
    assert net.do({"x2": 1}).query("x2")[1] == 1.0
