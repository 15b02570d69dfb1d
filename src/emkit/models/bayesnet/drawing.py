"""Missing nodes drawn at random, jointly, from their posterior; samples given evidence."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from emkit.models.bayesnet.compiled import Compiled, checked
from emkit.models.bayesnet.impossible import refuse_impossible
from emkit.models.bayesnet.model import BayesNet
from emkit.models.bayesnet.surgery import with_likelihoods

_AT_ONCE = 1 << 22  # random numbers held at a time


def drawn(
    model: BayesNet,
    params: Any,
    codes: np.ndarray,
    rng: np.random.Generator,
    times: int = 1,
    soft: Mapping[int, np.ndarray] | None = None,
    first: int | None = None,
) -> np.ndarray:
    """Rows (n, N), each completed ``times`` times by draws from P(missing | observed), int32 (times, n, N).

    What has observed descendants is drawn from a sweep up, the node that is eliminated last first; the rest from its parents.
    With ``first``, only so many nodes at the beginning are, none of which has a parent among the others; those stay missing.

    Raises
    ------
    ImpossibleRowError, ParameterError
        For a row of probability zero; where ``max_table`` is too small.
    """
    from emkit.kernels.bayesnet_answers import draw, draw_down

    many = len(model.graph)
    model, params, codes, _ = with_likelihoods(model, params, checked(model, codes), soft)
    compiled = Compiled.of(model, codes)
    refuse_impossible(model, params, compiled, compiled.log_probability(params.tables))
    layout, plan = model.layout, compiled.plan
    by_component = np.argsort(compiled.which, kind="stable")
    pair_begin = np.searchsorted(compiled.which[by_component], np.arange(plan.n_components + 1))
    rows = compiled.rows[by_component]
    wanted = [node for node in model.graph.topological if first is None or node < first]
    topological, cards = np.array(wanted, np.int64), np.asarray(model.cards, np.int64)
    missing = int((compiled.codes[:, :first] < 0).sum())
    out = np.repeat(compiled.codes[None], times, axis=0)
    tables, messages, buckets = plan.tapes.room
    step = max(_AT_ONCE // max(missing, 1), 1)
    for begin in range(0, times, step):
        part = out[begin : begin + step]
        uniform = rng.random(missing * len(part))
        used = draw(
            params.tables, *compiled.tape, np.empty(tables), np.empty(messages), np.empty(buckets), np.empty(buckets, np.int64),
            compiled.node_of, pair_begin, rows, uniform, part,
        )  # fmt: skip
        draw_down(params.tables, topological, *layout.members, layout.offsets, cards, uniform, used, part)
    return np.ascontiguousarray(out[:, :, :many])


def sampled_given(
    model: BayesNet,
    params: Any,
    n: int,
    evidence: np.ndarray,
    rng: np.random.Generator,
    soft: Mapping[int, np.ndarray] | None = None,
) -> np.ndarray:
    """``n`` independent samples of all nodes, int32 (n, N), given evidence (N,), -1 where nothing is known; see ``drawn``."""
    return drawn(model, params, np.asarray(evidence)[None], rng, n, soft)[:, 0]
