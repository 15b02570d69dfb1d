"""Networks to and from objects of networkx and pgmpy, which need not be there: stand-ins have what is used of them."""

import sys
from types import ModuleType

import numpy as np
import pytest
from network_samples import ASIA, random_network, two_nodes

from emkit.core.errors import DataError
from emkit.io.networks import from_networkx, from_pgmpy, read_network, to_networkx, to_pgmpy


class Cpd:
    """A table as pgmpy has it: the child's axis first, values given as a matrix with a column for each parents' states."""

    def __init__(self, variable, variable_card, values, evidence=None, evidence_card=None, state_names=None):
        assert np.shape(values) == (variable_card, int(np.prod(evidence_card or [1])))
        self.variables = [variable, *(evidence or [])]
        self.values = np.reshape(values, (variable_card, *(evidence_card or [])))
        self.state_names = state_names


class Model:
    def __init__(self):
        self._nodes, self._edges, self._cpds = [], [], []

    def add_nodes_from(self, nodes):
        self._nodes += nodes

    def add_edges_from(self, edges):
        self._edges += edges

    def add_cpds(self, *cpds):
        self._cpds += cpds

    def nodes(self):
        return self._nodes

    def edges(self):
        return self._edges

    def get_cpds(self):
        return self._cpds


class Gone:
    def __init__(self):
        raise ImportError("`BayesianNetwork` is deprecated")


class DiGraph:
    def __init__(self, **said):
        self.graph, self._nodes, self._edges = said, {}, []

    def add_node(self, name, **said):
        self._nodes[name] = said

    def add_edges_from(self, edges):
        self._edges += edges

    def nodes(self, data):
        return list(self._nodes.items())

    def predecessors(self, node):
        return iter([parent for parent, child in self._edges if child == node])


@pytest.fixture
def packages(monkeypatch):
    """Pgmpy with the name of its class before 1.0 alone, or also the later one; networkx."""

    def there(**models):
        for name, content in {
            "pgmpy": {}, "pgmpy.models": models, "pgmpy.factors": {}, "pgmpy.factors.discrete": {"TabularCPD": Cpd},
            "networkx": {"DiGraph": DiGraph},
        }.items():  # fmt: skip
            module = ModuleType(name)
            vars(module).update(content)
            monkeypatch.setitem(sys.modules, name, module)

    return there


@pytest.mark.parametrize("models", [{"BayesianNetwork": Model}, {"BayesianNetwork": Gone, "DiscreteBayesianNetwork": Model}])
def test_pgmpy_models_there_and_back(packages, models):
    packages(**models)
    asia = read_network(ASIA)
    model = to_pgmpy(asia)
    dysp = next(cpd for cpd in model.get_cpds() if cpd.variables[0] == "dysp")
    assert dysp.variables == ["dysp", "bronc", "either"] and dysp.values[0].tolist() == [[0.9, 0.8], [0.7, 0.1]]
    assert from_pgmpy(model) == asia


def test_pgmpy_states_of_any_type_become_text():
    model = Model()
    model.add_nodes_from([1, "b"])
    model.add_edges_from([(1, "b")])
    names = {1: [0, 1], "b": [True, False]}
    model.add_cpds(Cpd("b", 2, [[0.1, 0.2], [0.9, 0.8]], [1], [2], names), Cpd(1, 2, [[0.5], [0.5]], state_names=names))
    network = from_pgmpy(model)
    assert network.names == ("1", "b") and network.states == (("0", "1"), ("True", "False"))
    assert network.table("b").tolist() == [[0.1, 0.9], [0.2, 0.8]]


def test_pgmpy_models_that_do_not_agree_are_refused(packages):
    packages(DiscreteBayesianNetwork=Model)
    whole = to_pgmpy(two_nodes())
    rain, wet = whole.get_cpds()
    whole._cpds = [wet]
    with pytest.raises(DataError, match="node 'rain' has no table; give the model one with add_cpds"):
        from_pgmpy(whole)
    whole._cpds = [rain, rain]
    with pytest.raises(DataError, match="node 'rain' has two tables"):
        from_pgmpy(whole)
    turned = {**wet.state_names, "rain": ["no", "yes"]}
    whole._cpds = [rain, Cpd("wet", 2, wet.values, ["rain"], [2], turned)]
    with pytest.raises(DataError, match="node 'wet' has states of 'rain' in another order"):
        from_pgmpy(whole)
    whole._cpds = [rain, Cpd("wet", 2, [[0.5], [0.5]], state_names=wet.state_names)]
    with pytest.raises(DataError, match=r"node 'wet' is given .*edges come from others"):
        from_pgmpy(whole)


@pytest.mark.parametrize("seed", range(10))
def test_networkx_graphs_there_and_back(packages, seed):
    packages()
    assert from_networkx(to_networkx(random_network(seed))) == random_network(seed)


def test_networkx_graphs_of_others(packages):
    graph = DiGraph()
    graph.add_node("a", states=[0, 1], table=[0.5, 0.5])
    graph.add_node("b", states=["x", "y"], table=[[0.1, 0.9], [0.2, 0.8]])
    graph.add_edges_from([("a", "b")])
    network = from_networkx(graph)
    assert network.parents == ((), ("a",)) and network.states[0] == ("0", "1")
    graph.add_node("b", states=["x", "y"], table=[[0.1, 0.9], [0.2, 0.8]], parents=("c",))
    with pytest.raises(DataError, match=r"node 'b' has the parents .'c'., and edges from .'a'"):
        from_networkx(graph)
    graph.add_node("b", states=["x", "y"])
    with pytest.raises(DataError, match="node 'b' has no attribute 'table'"):
        from_networkx(graph)
