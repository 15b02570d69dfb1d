"""Structural EM: what it reports only gets better, and its scores are those of the networks."""

import numpy as np
import pytest

from emkit.execute.threads import Threads
from emkit.models.bayesnet.structure.climbing import search
from emkit.models.bayesnet.structure.constraints import Constraints
from emkit.models.bayesnet.structure.counts import Rows
from emkit.models.bayesnet.structure.scores import CountedFamilies, score_of
from emkit.selection.structural_em import structural_em
from emkit.selection.structure_tables import StateRows


def table(seed, n=400, d=7):
    """A random network's rows of 2 or 3 states, a fifth of the cells missing."""
    rng = np.random.default_rng(seed)
    cards = rng.integers(2, 4, d)
    codes = rng.integers(0, cards, (n, d)).astype(np.int32)
    for j in range(1, d):
        of = rng.integers(0, j)
        codes[:, j] = np.where(rng.random(n) < 0.6, codes[:, of] % cards[j], codes[:, j])
    codes[rng.random(codes.shape) < 0.2] = -1
    return codes, cards


@pytest.mark.parametrize("score", ["bic", "bdeu"])
@pytest.mark.parametrize("seed", range(4))
def test_the_observed_score_never_falls_between_graphs_that_are_accepted(seed, score):
    codes, cards = table(seed)
    names = tuple(f"c{j}" for j in range(len(cards)))
    limits, rng = Constraints.of(names, cards), np.random.default_rng(0)
    rows = StateRows(Rows(codes, None, cards), names, score_of(score, len(codes)), Threads(1), 2.0**20)
    told = []
    found = structural_em(rows, lambda of, start: search(of, limits, rng, start, 3), limits, rng, report=told.append)
    scores = [one.score for one in told]
    assert scores == sorted(scores) and found.score == scores[-1]
    if score == "bic":
        free = sum(int(np.prod(cards[list(of)])) * (cards[child] - 1) for child, of in enumerate(found.parents))
        logs = found.model.resolve(rows._source)
        stats_value = sum(logs.e_step(found.params, block)[1] for block in logs.prepared(rows._source))
        assert found.score == pytest.approx(stats_value - 0.5 * np.log(len(codes)) * free, abs=1e-6)


def test_restarts_do_not_lose_the_best():
    codes, cards = table(9)
    names = tuple(f"c{j}" for j in range(len(cards)))
    rows = StateRows(Rows(codes, None, cards), names, score_of("bic", len(codes)), Threads(1), 2.0**20)
    limits, scores = Constraints.of(names, cards), []
    for restarts in (0, 3):
        rng = np.random.default_rng(1)
        found = structural_em(rows, lambda of, start, rng=rng: search(of, limits, rng, start, 2), limits, rng, restarts=restarts)
        scores.append(found.score)
    assert scores[1] >= scores[0]


def test_available_cases_are_the_whole_where_nothing_is_missing_and_find_nothing_where_nothing_is():
    codes, cards = table(3)
    whole = np.where(codes < 0, 0, codes)
    names = tuple(f"c{j}" for j in range(len(cards)))
    rows = Rows(whole, None, cards)
    first = StateRows(rows, names, score_of("bic", len(codes)), Threads(1), 2.0**20).first()
    plain = CountedFamilies(rows, score_of("bic", len(codes)))
    for child, parents in ((0, ()), (1, (0,)), (2, (0, 4))):
        assert first(child, parents) == pytest.approx(plain(child, parents), abs=1e-9)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 3, (800, 8)).astype(np.int32)
    noise[rng.random(noise.shape) < 0.5] = -1
    names, limits = tuple("abcdefgh"), Constraints.of("abcdefgh", [3] * 8)
    first = StateRows(Rows(noise, None, [3] * 8), names, score_of("bic", 800), Threads(1), 2.0**20).first()
    assert sum(map(len, search(first, limits, rng, restarts=3).parents)) <= 1
