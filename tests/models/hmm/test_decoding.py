"""Viterbi and k best paths against enumeration of every path, printed numbers, and each other."""

import numpy as np
import pytest

from emkit import Block, Gaussian, HiddenMarkov, SequenceSource
from emkit.core.errors import DataError, ParameterError
from emkit.models.hmm import decoding
from emkit.models.hmm.decoding import _viterbi_compiled, _viterbi_numpy, k_best_paths, viterbi
from emkit.models.hmm.params import HMMParams
from emkit.models.hmm.steps import worth_one_pass
from support.fits import answers, fitted
from support.paths import every_path, path_log_probs, random_chain


def random_emissions(n, k, seed, *, impossible=0.0):
    rng = np.random.default_rng(1000 + seed)
    log_b = rng.normal(size=(n, k)) * 2.0
    log_b[rng.random((n, k)) < impossible] = -np.inf
    return log_b


def best_first(params, log_b):
    """Every path that is possible and its log probability, best first."""
    paths, scores = every_path(params, log_b)
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] > -np.inf]
    return paths[order], scores[order]


CASES = [
    (k, n, seed, zeros, end, impossible)
    for seed, (k, n) in enumerate([(1, 1), (1, 5), (2, 1), (2, 8), (3, 6), (4, 5)])
    for zeros, end, impossible in [(False, False, 0.0), (True, False, 0.0), (True, True, 0.2), (False, True, 0.1)]
]


def given(block, out):
    """Rows are log emissions themselves."""
    out[:] = block.x
    return out


def in_parts(rows):
    """A decoder that takes each sequence by itself, its emissions ``rows`` at a time."""

    def decode(params, log_b, lengths):
        states, log_probs, end = np.empty(len(log_b), np.int64), [], 0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(decoding, "_STREAM_FROM", 1)
            patch.setattr(decoding, "_STREAM_UP_TO", 255)
            patch.setattr(decoding, "_STREAM_ROWS", rows)
            patch.setattr(decoding, "viterbi", None)  # not this way
            for n in lengths:
                part, end = slice(end, end + n), end + n
                block = Block(log_b[part], lengths=np.array([n]))
                log_probs += decoding.viterbi_block(params, block, given, states[part]).tolist()
        return states, np.array(log_probs)

    return decode


def directly(run):
    """A decoder that skips the choice of implementation."""

    def decode(params, log_b, lengths):
        states = np.empty(len(log_b), np.int64)
        return states, run(params, log_b, lengths, states)

    return decode


NUMPY, COMPILED = directly(_viterbi_numpy), directly(_viterbi_compiled)
DECODERS = [viterbi, NUMPY, COMPILED, in_parts(1), in_parts(3)]


@pytest.mark.parametrize(("k", "n", "seed", "zeros", "end", "impossible"), CASES)
def test_viterbi_and_k_best_find_what_enumeration_finds(k, n, seed, zeros, end, impossible):
    params = random_chain(k, seed, zeros=zeros, end=end)
    log_b = random_emissions(n, k, seed, impossible=impossible)
    paths, scores = best_first(params, log_b)
    for decode in DECODERS:
        states, log_probs = decode(params, log_b.copy(), np.array([n]))
        if len(scores) == 0:
            assert log_probs[0] == -np.inf and (states == -1).all()
        else:
            assert log_probs[0] == pytest.approx(scores[0], abs=1e-12)
            assert states.tolist() == paths[0].tolist()
    for count in (1, 3, 20, k**n + 5):
        best, log_probs = k_best_paths(params, log_b, count)
        wanted = min(count, len(scores))
        assert best.shape == (wanted, n)
        np.testing.assert_allclose(log_probs, scores[:wanted], atol=1e-12)
        assert len({tuple(path) for path in best}) == wanted
        if wanted:
            np.testing.assert_allclose(path_log_probs(best, params, log_b), log_probs, atol=1e-12)


UMBRELLA = HMMParams(np.array([0.5, 0.5]), np.array([[0.7, 0.3], [0.3, 0.7]]), None)
UMBRELLA_SEEN = np.log(np.array([[0.9, 0.2], [0.9, 0.2], [0.1, 0.8], [0.9, 0.2], [0.9, 0.2]]))


def test_the_umbrella_world():
    """Russell & Norvig, figure 15.5: rain, rain, no rain, rain, rain."""
    states, log_probs = viterbi(UMBRELLA, UMBRELLA_SEEN, [5])
    assert states.tolist() == [0, 0, 1, 0, 0]
    assert np.exp(log_probs[0]) == pytest.approx(0.5 * 0.9 * 0.7 * 0.9 * 0.3 * 0.8 * 0.3 * 0.9 * 0.7 * 0.9, rel=1e-12)


def test_stamps_tutorial():
    """Stamp, A Revealing Introduction to Hidden Markov Models: the best path is CCCH with probability .002822."""
    params = HMMParams(np.array([0.6, 0.4]), np.array([[0.7, 0.3], [0.4, 0.6]]), None)
    emission = np.array([[0.1, 0.4, 0.5], [0.7, 0.2, 0.1]])
    log_b = np.log(emission[:, [0, 1, 0, 2]].T)
    states, log_probs = viterbi(params, log_b, [4])
    assert states.tolist() == [1, 1, 1, 0]
    assert np.exp(log_probs[0]) == pytest.approx(0.0028224, abs=1e-12)
    paths, all_probs = k_best_paths(params, log_b, 16)
    assert paths[0].tolist() == [1, 1, 1, 0]
    assert np.exp(all_probs).sum() == pytest.approx(0.0096296, abs=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5, 8, 9, 12, 13, 16, 17, 40])
@pytest.mark.parametrize("end", [False, True])
def test_compiled_layouts_equal_the_numpy_twin(k, end):
    params = random_chain(k, k, zeros=k > 2, end=end)
    rng = np.random.default_rng(k)
    for lengths in (rng.integers(1, 12, size=53), np.array([200]), np.array([1, 1, 70, 1]), np.ones(20, dtype=int)):
        log_b = random_emissions(int(lengths.sum()), k, k, impossible=0.02)
        expected_states, expected = NUMPY(params, log_b.copy(), lengths)
        for decode in (COMPILED, in_parts(37)):
            states, log_probs = decode(params, log_b.copy(), lengths)
            np.testing.assert_array_equal(states, expected_states)
            np.testing.assert_allclose(log_probs, expected, rtol=1e-12)


def test_labels_are_heeded_part_by_part():
    """A sequence long enough to be decoded in parts, with some states known."""
    rng = np.random.default_rng(4)
    states = np.repeat(rng.integers(2, size=600), 100)
    x = rng.normal(size=(60_000, 1)) + states[:, None]
    known = np.where(rng.random(60_000) < 0.01, 1 - states, -1)
    chain = {"startprob": [0.5, 0.5], "transmat": [[0.99, 0.01], [0.01, 0.99]]}
    model = HiddenMarkov(Gaussian("diag", start_values={"means": [[0.0], [1.0]]}), 2, start_values=chain)
    result = fitted(model, SequenceSource(x), starts=1, max_iter=1, tol=0)
    path = answers(result, SequenceSource(x, labels=known), "mode")
    assert (path[known >= 0] == known[known >= 0]).all()
    log_b = result.model.log_emissions(result.params, Block(x, lengths=np.array([60_000]), labels=known))
    np.testing.assert_array_equal(path, NUMPY(result.params, log_b, np.array([60_000]))[0])


def test_left_right_chains_walk_their_few_transitions():
    k = 40
    matrix = 0.7 * np.eye(k) + 0.3 * np.eye(k, k=1)
    matrix[-1, -1] = 1.0
    params = HMMParams(np.eye(k)[0], matrix, None)
    log_b = random_emissions(300, k, 0)
    states, log_probs = COMPILED(params, log_b.copy(), np.array([300]))
    expected_states, expected = NUMPY(params, log_b.copy(), np.array([300]))
    np.testing.assert_array_equal(states, expected_states)
    np.testing.assert_allclose(log_probs, expected, rtol=1e-12)
    assert set(np.diff(states)) <= {0, 1}


@pytest.mark.parametrize("decode", DECODERS)
def test_each_sequence_is_decoded_as_if_alone(decode):
    params = random_chain(3, 5, end=True)
    lengths = np.array([4, 1, 9, 2, 2, 7, 30, 1])
    log_b = random_emissions(int(lengths.sum()), 3, 5)
    states, log_probs = decode(params, log_b.copy(), lengths)
    begin = 0
    for s, n in enumerate(lengths):
        alone, log_prob = decode(params, log_b[begin : begin + n].copy(), np.array([n]))
        assert states[begin : begin + n].tolist() == alone.tolist()
        assert log_probs[s] == log_prob[0]
        begin += n


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("k", [2, 4, 20])
def test_ties_go_to_the_lowest_state(decode, k):
    params = HMMParams(np.full(k, 1 / k), np.full((k, k), 1 / k), None)
    for lengths in ([6], [3] * 8):
        states, _ = decode(params, np.zeros((sum(lengths), k)), np.array(lengths))
        assert (states == 0).all()
        log_b = np.zeros((sum(lengths), k))
        log_b[:, 0] = -1.0
        states, _ = decode(params, log_b, np.array(lengths))
        assert (states == 1).all()


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("sequences", [1, 20])
def test_an_outlier_far_from_every_state_changes_nothing_else(decode, sequences):
    """A step that is all but impossible in every state says as little about the others as a missing one, and likelihoods of any
    size add up.
    """
    params = random_chain(3, 1)
    log_b = random_emissions(100 * sequences, 3, 1)
    lengths = np.full(sequences, 100)
    log_b[5::50] = 0.0
    expected, before = decode(params, log_b.copy(), lengths)
    log_b[5::50] = -4e15
    states, log_probs = decode(params, log_b.copy(), lengths)
    np.testing.assert_array_equal(states, expected)
    np.testing.assert_allclose(log_probs, before - 8e15, rtol=1e-14)
    paths, _ = k_best_paths(params, log_b[:100], 3)
    np.testing.assert_array_equal(paths[0], expected[:100])


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("k", [3, 20])
@pytest.mark.parametrize("sequences", [3, 20])
def test_an_impossible_sequence_has_no_path_and_harms_no_other(decode, k, sequences):
    params = random_chain(k, 1)
    log_b = random_emissions(5 * sequences, k, 1)
    expected, probs = decode(params, log_b.copy(), np.full(sequences, 5))
    log_b[7] = -np.inf
    states, log_probs = decode(params, log_b.copy(), np.full(sequences, 5))
    assert log_probs[1] == -np.inf and (states[5:10] == -1).all()
    other = np.delete(np.arange(5 * sequences), np.arange(5, 10))
    np.testing.assert_array_equal(states[other], expected[other])
    np.testing.assert_array_equal(np.delete(log_probs, 1), np.delete(probs, 1))
    paths, none = k_best_paths(params, log_b[5:10], 3)
    assert paths.shape == (0, 5) and none.shape == (0,)


def test_emissions_are_left_alone_unless_given_away():
    params = random_chain(3, 2)
    for lengths in ([50], [60_000]):
        log_b = random_emissions(sum(lengths), 3, 2)
        before = log_b.copy()
        states, log_probs = viterbi(params, log_b, lengths)
        np.testing.assert_array_equal(log_b, before)
        again, same = viterbi(params, log_b, lengths, overwrite=True)
        np.testing.assert_array_equal(states, again)
        np.testing.assert_array_equal(log_probs, same)


def test_a_million_steps():
    params = random_chain(3, 3)
    log_b = random_emissions(1_000_000, 3, 3)
    assert worth_one_pass(np.array([1_000_000]), 3)
    states, log_probs = viterbi(params, log_b, [1_000_000])
    logs = np.log(params.transmat)
    total = np.log(params.startprob[states[0]]) + logs[states[:-1], states[1:]].sum() + log_b[np.arange(len(log_b)), states].sum()
    assert log_probs[0] == pytest.approx(total, rel=1e-10)


@pytest.mark.parametrize(
    ("shape", "lengths", "message"),
    [((5, 3), [5], "shape"), ((5, 2), [4], "add up to 4"), ((5, 2), [5, 0], "positive"), ((5,), [5], "shape")],
)
def test_shapes_that_do_not_fit_are_named(shape, lengths, message):
    with pytest.raises(DataError, match=message):
        viterbi(UMBRELLA, np.zeros(shape), lengths)


@pytest.mark.parametrize("k", [0, -1, 1.5, True])
def test_a_number_of_paths_must_be_a_positive_integer(k):
    with pytest.raises(ParameterError, match="k="):
        k_best_paths(UMBRELLA, UMBRELLA_SEEN, k)
