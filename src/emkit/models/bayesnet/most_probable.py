"""The most probable explanation: the states of all missing nodes that are jointly most probable."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from emkit.models.bayesnet.compiled import Compiled, checked
from emkit.models.bayesnet.impossible import refuse_impossible
from emkit.models.bayesnet.model import BayesNet
from emkit.models.bayesnet.surgery import with_likelihoods


def most_probable(
    model: BayesNet,
    params: Any,
    codes: np.ndarray,
    soft: Mapping[int, np.ndarray] | None = None,
    kept: bool | np.ndarray = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n, N) with their missing nodes, hidden ones included, in the states that are jointly most probable.

    It is exact; of states that are equally probable the first is taken, the nodes that are eliminated last deciding first.
    ``kept``: which nodes are asked for, bool (N,), unless all are.

    Returns
    -------
    codes : int array (n, N)
    log_probability : array (n,)
        Of the whole row, observed nodes included; with the likelihoods of soft evidence multiplied in.

    Raises
    ------
    ImpossibleRowError, ParameterError
        For a row of probability zero; where ``max_table`` is too small.
    """
    from emkit.kernels import bayesnet_answers as kernels

    many = len(model.graph)
    model, params, codes, scale = with_likelihoods(model, params, checked(model, codes), soft)
    compiled = Compiled.of(model, codes, kept)
    plan = compiled.plan
    place = np.concatenate([[0], np.cumsum(compiled.sizes)]).astype(np.int64)
    found = np.empty(place[-1], np.int32)
    tables, messages, buckets = plan.tapes.room
    kernels.most_probable(
        params.tables, *compiled.tape, np.empty(tables), np.empty(messages), np.empty(messages, np.int32),
        np.empty(buckets, np.int64), place, found,
    )  # fmt: skip
    out = compiled.codes.copy()
    kernels.spread_states(compiled.rows, compiled.which, plan.shape_of, plan.tapes.begin, compiled.node_of, place, found, out)
    with np.errstate(divide="ignore"):
        total = compiled.scanner.observed(out, np.log(params.tables))
    total[(out < 0)[:, compiled.scanner.kept].any(axis=1)] = -np.inf
    refuse_impossible(model, params, compiled, total)
    return np.ascontiguousarray(out[:, :many]), total + scale
