"""Posteriors given what is observed: of single nodes for many rows at once, and joint ones for a question."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from emkit.core.errors import ParameterError
from emkit.models.bayesnet.compiled import Compiled, checked
from emkit.models.bayesnet.impossible import refuse_impossible
from emkit.models.bayesnet.model import BayesNet
from emkit.models.bayesnet.surgery import with_likelihoods

_AT_ONCE = 1 << 22  # cells of rows that a joint posterior is conditioned on at a time


def node_posteriors(model: BayesNet, params: Any, codes: np.ndarray, nodes: Sequence[int] | None = None) -> list[np.ndarray]:
    """P(node | what its row has observed) for rows (n, N) of state numbers, -1 where one is missing.

    Parameters
    ----------
    nodes : sequence of int, optional
        Those that are asked for; all of them otherwise. Few nodes are cheaper: what has no bearing on them is left out.

    Returns
    -------
    list of arrays (n, states), one for each of ``nodes``
        Rows add up to 1; that of an observed node is 1 at its state.

    Raises
    ------
    ImpossibleRowError, ParameterError
        For a row of probability zero; where ``max_table`` is too small.
    """
    from emkit.kernels.bayesnet_answers import beliefs, spread_beliefs

    wanted = np.arange(len(model.graph)) if nodes is None else np.asarray(nodes, np.int64)
    asked = np.zeros(len(model.graph), np.bool_)
    asked[wanted] = True
    compiled = Compiled.of(model, codes, asked)
    plan, begin, cards = compiled.plan, compiled.plan.tapes.begin, np.asarray(model.cards, np.int64)

    width = np.where(asked[compiled.node_of], cards[compiled.node_of], 0)  # of each bucket's posterior
    before = np.concatenate([[0], np.cumsum(width)])
    slot = np.where(width > 0, before[:-1] - np.repeat(before[begin[:-1]], np.diff(begin)), -1)
    place = np.concatenate([[0], np.cumsum((before[begin[1:]] - before[begin[:-1]])[plan.shape_of])]).astype(np.int64)
    found, logs = np.zeros(place[-1]), np.empty(plan.n_components)
    tables, messages, buckets = plan.tapes.room
    beliefs(
        params.tables, *compiled.tape, np.empty(tables), np.empty(messages), np.empty(messages), np.empty(buckets),
        slot, place, found, logs,
    )  # fmt: skip
    refuse_impossible(model, params, compiled, compiled.log_probability(params.tables, logs))

    once = np.flatnonzero(asked)
    n = len(compiled.codes)
    to = np.concatenate([[0], np.cumsum(n * cards[once])]).astype(np.int64)
    out = np.zeros(to[-1])
    spread_beliefs(
        compiled.codes, compiled.rows, compiled.which, plan.shape_of, begin, compiled.node_of, cards, slot, place, found,
        once, to, out,
    )  # fmt: skip
    parts = {int(node): out[to[j] : to[j + 1]].reshape(n, cards[node]) for j, node in enumerate(once)}
    return [parts[int(node)] for node in wanted]


def log_probability(model: BayesNet, params: Any, codes: np.ndarray, soft: Mapping[int, np.ndarray] | None = None) -> np.ndarray:
    """Log probability of what each of the rows (n, N) has observed, (n,); minus infinity where it is impossible.

    ``soft``: likelihoods of the states of some nodes, the same for all rows: see ``posterior``.
    """
    model, params, codes, scale = with_likelihoods(model, params, checked(model, codes), soft)
    return Compiled.of(model, codes).log_probability(params.tables) + scale


def posterior(
    model: BayesNet,
    params: Any,
    evidence: np.ndarray,
    targets: Sequence[int],
    soft: Mapping[int, np.ndarray] | None = None,
) -> np.ndarray:
    """The joint posterior of some nodes: a table with an axis for each of ``targets``, in their order.

    It is found by conditioning on every state of the targets, so that these need no table in common while they are summed over.

    Parameters
    ----------
    evidence : int array (N,)
        State numbers, -1 where nothing is known.
    targets : sequence of int
        Different nodes; an observed one is 1 at its state.
    soft : mapping from nodes to arrays (states,), optional
        Uncertain (virtual) evidence: how probable what was seen is in each state of the node, up to a factor.

    Raises
    ------
    ImpossibleRowError
        If the evidence has probability zero; it names the nodes that exclude each other.
    ParameterError
        If the table, or one on the way, has more cells than ``max_table``; for likelihoods that are none.
    """
    evidence, targets = checked(model, np.asarray(evidence)[None])[0], [int(target) for target in targets]
    if len(set(targets)) < len(targets):
        twice = next(target for target in targets if targets.count(target) > 1)
        raise ParameterError(f"{model.graph.names[twice]!r} is asked for twice", parameter="targets")
    shape = tuple(model.cards[target] for target in targets)
    model, params, codes, _ = with_likelihoods(model, params, evidence[None], soft)
    free = [target for target in targets if evidence[target] < 0]
    cells = prod(model.cards[target] for target in free)
    if prod(shape) > model.max_table:
        raise ParameterError(
            f"the joint table of {', '.join(model.graph.names[t] for t in targets)} has {prod(shape):.3g} cells; max_table "
            f"allows {model.max_table:.3g}. Ask for fewer nodes, or raise max_table",
            parameter="max_table",
        )  # fmt: skip
    logs = np.empty(cells)
    step = max(_AT_ONCE // codes.shape[1], 1)
    for first in range(0, cells, step):
        numbers = np.arange(first, min(first + step, cells))
        rows = np.repeat(codes, len(numbers), axis=0)
        for target in reversed(free):
            numbers, rows[:, target] = np.divmod(numbers, model.cards[target])
        logs[first : first + len(rows)] = Compiled.of(model, rows).log_probability(params.tables)
    top = logs.max()
    if top == -np.inf:
        refuse_impossible(model, params, Compiled.of(model, codes), np.full(1, -np.inf), "the evidence")
    values = np.exp(logs - top)
    table = np.zeros(shape)
    table[tuple(slice(None) if evidence[t] < 0 else int(evidence[t]) for t in targets)] = (values / values.sum()).reshape(
        tuple(model.cards[target] for target in free)
    )
    return table
