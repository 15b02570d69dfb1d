"""Forward-backward in every implementation there is, each called alike and made to take one way.

Each takes (log_b, lengths, weights, params), overwrites ``log_b`` with posteriors times weights, and returns the counts and
which sequences must be done again.
"""

import numpy as np
import pytest

from emkit.models.hmm import compiled as ways
from emkit.models.hmm.recursions import Counts, forward_backward, forward_backward_log
from emkit.models.hmm.steps import log_chain

PADDED = ways.padded


def numpy_twin(log_b, lengths, weights, params):
    return forward_backward(log_b, lengths, weights, params.startprob, params.transmat, params.endprob)


def _compiled(log_b, lengths, weights, params, *, side_by_side=False, long=10**9, sparse=False):
    everything, nothing = np.argsort(-lengths, kind="stable"), np.empty(0, np.int64)
    split = (everything, nothing) if side_by_side else (nothing, everything)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ways, "split_by_length", lambda *_: split)
        patch.setattr(ways, "_LONG", long)
        if sparse:  # so much padding that most tiles are empty
            patch.setattr(ways, "padded", lambda values: PADDED(values, 32))
        return ways.compiled_recursions(log_b, lengths, weights, params, everything)


def lanes(*args):
    return _compiled(*args, side_by_side=True)


def states(*args):
    return _compiled(*args)


def states_sparse(*args):
    return _compiled(*args, sparse=True)


def both_ends(*args):
    return _compiled(*args, long=2)


def both_ends_sparse(*args):
    return _compiled(*args, long=2, sparse=True)


def log_space(log_b, lengths, weights, params):
    counts = Counts.empty(len(params.startprob), len(lengths))
    start, trans, end = log_chain(params)
    ends = np.cumsum(lengths)
    for s, stop in enumerate(ends):
        rows = slice(stop - lengths[s], stop)
        total, gamma, pairs = forward_backward_log(log_b[rows], start, trans, None if params.endprob is None else end)
        counts.log_likelihoods[s] = total
        log_b[rows] = weights[s] * gamma
        counts.start += weights[s] * gamma[0]
        counts.end += weights[s] * gamma[-1]
        counts.transitions += weights[s] * pairs
    return counts, np.zeros(len(lengths), dtype=bool)


IMPLEMENTATIONS = {f.__name__: f for f in (numpy_twin, lanes, states, states_sparse, both_ends, both_ends_sparse, log_space)}
