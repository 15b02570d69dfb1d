"""Searches against all graphs, equivalence classes against their members."""

from collections import defaultdict
from functools import cache
from itertools import combinations, product

import numpy as np
import pytest

from emkit import ParameterError
from emkit.models.bayesnet.structure.climbing import search
from emkit.models.bayesnet.structure.constraints import Constraints
from emkit.models.bayesnet.structure.counts import Rows
from emkit.models.bayesnet.structure.equivalence import arcs_of, directed, equivalence_class, structural_hamming_distance
from emkit.models.bayesnet.structure.exact import best_graph
from emkit.models.bayesnet.structure.scores import CountedFamilies, score_of
from emkit.models.bayesnet.structure.semi_cliques import semi_cliques, with_hidden
from emkit.models.bayesnet.structure.trees import best_tree

NAMES = "abcdefgh"


@cache
def all_graphs(n):
    """Every directed acyclic graph of n nodes, as bool (n, n)."""
    pairs, found = list(combinations(range(n), 2)), []
    for ways in product(range(3), repeat=len(pairs)):
        arcs = np.zeros((n, n), bool)
        for (a, b), way in zip(pairs, ways, strict=True):
            if way:
                arcs[(a, b) if way == 1 else (b, a)] = True
        reach = arcs
        for _ in range(n):
            reach = reach | (reach @ reach)
        if not reach.diagonal().any():
            found.append(arcs)
    return found


@cache
def classes(n):
    """Graphs with the same skeleton and the same colliders (Verma and Pearl)."""
    found = defaultdict(list)
    for arcs in all_graphs(n):
        near = arcs | arcs.T
        colliders = tuple(
            (a, b, c) for c in range(n) for a, b in combinations(np.flatnonzero(arcs[:, c]).tolist(), 2) if not near[a, b]
        )
        found[near.tobytes(), colliders].append(arcs)
    return list(found.values())


def columns(rng, n, rows=80):
    """Columns that depend on each other, of 2 or 3 states."""
    cards = rng.integers(2, 4, n)
    codes = np.column_stack([rng.integers(0, card, rows) for card in cards])
    for j in range(1, n):
        of = rng.integers(0, j)
        codes[:, j] = np.where(rng.random(rows) < 0.5, codes[:, of] % cards[j], codes[:, j])
    order = rng.permutation(n)
    return codes[:, order], cards[order]


def parents_of(arcs):
    return [tuple(np.flatnonzero(arcs[:, child]).tolist()) for child in range(len(arcs))]


def test_there_are_185_classes_of_4_nodes_and_each_is_the_union_of_its_graphs():
    assert len(all_graphs(4)) == 543 and len(classes(4)) == 185  # Gillispie and Perlman (2001)
    for members in classes(4):
        union = np.logical_or.reduce(members)
        for arcs in members:
            np.testing.assert_array_equal(equivalence_class(arcs), union)


def test_known_arcs_compel_what_follows_from_them():
    rng = np.random.default_rng(0)
    for members in classes(4):
        arcs = members[rng.integers(len(members))]
        known = arcs & (rng.random(arcs.shape) < 0.3)
        left = [other for other in members if (other & known == known).all()]
        np.testing.assert_array_equal(equivalence_class(arcs, known), np.logical_or.reduce(left))


def test_distance_counts_pairs_that_classes_join_differently():
    chain, turned, fork = ([(), (0,), (1,)], [(1,), (2,), ()], [(), (0, 2), ()])
    assert structural_hamming_distance(arcs_of(chain), arcs_of(turned)) == 0
    assert structural_hamming_distance(arcs_of(chain), arcs_of(fork)) == 2
    assert structural_hamming_distance(arcs_of(chain), arcs_of([(), (), ()])) == 2
    with pytest.raises(ParameterError, match="3 and 2 nodes"):
        structural_hamming_distance(arcs_of(chain), arcs_of([(), ()]))


@pytest.mark.parametrize("seed", range(12))
def test_exact_search_and_trees_find_the_best_of_all_graphs(seed):
    rng = np.random.default_rng(seed)
    codes, cards = columns(rng, 4)
    scores = CountedFamilies(Rows(codes, None, cards), score_of(("bic", "bdeu", "k2", "loglik")[seed % 4], len(codes)))
    limits = Constraints.of(
        NAMES[:4], cards, required=[("a", "b")] if seed % 3 == 1 else (), forbidden=[("c", "d")] if seed % 2 else (),
        tiers=[["a"], ["c", "d"]] if seed % 3 == 2 else (), max_parents=None if seed % 4 else 2,
    )  # fmt: skip
    allowed = [arcs for arcs in all_graphs(4) if not (arcs & ~limits.allowed).any() and not (limits.required & ~arcs).any()]
    allowed = [arcs for arcs in allowed if arcs.sum(axis=0).max() <= limits.max_parents]
    best = max(scores.total(parents_of(arcs)) for arcs in allowed)
    assert best_graph(scores, limits).score == pytest.approx(best, abs=1e-9)
    forests = [arcs for arcs in allowed if arcs.sum(axis=0).max() <= 1]
    tree = best_tree(scores, limits, rng)
    assert tree.score == pytest.approx(max(scores.total(parents_of(arcs)) for arcs in forests), abs=1e-9)
    arcs = arcs_of(search(scores, limits, rng).parents)
    assert any((arcs == one).all() for one in allowed)


def test_exact_search_is_never_beaten_on_50_tables_of_8_columns():
    equal = 0
    for seed in range(50):
        rng = np.random.default_rng(seed)
        codes, cards = columns(rng, 8, 60)
        scores, limits = CountedFamilies(Rows(codes, None, cards), score_of("bic", 60)), Constraints.of(NAMES, cards)
        best = best_graph(scores, limits).score
        found = search(scores, limits, rng, restarts=3).score
        assert found <= best + 1e-9 and best_tree(scores, limits, rng).score <= best + 1e-9
        equal += found > best - 1e-9
    assert equal >= 45


def test_tree_augmented_naive_bayes_against_all_trees_below_the_class():
    rng = np.random.default_rng(5)
    codes, cards = columns(rng, 5, 300)
    scores, limits = CountedFamilies(Rows(codes, None, cards), score_of("bic", 300)), Constraints.of(NAMES[:5], cards)
    best = -np.inf
    for arcs in all_graphs(4):
        if arcs.sum(axis=0).max() <= 1:
            below = parents_of(arcs)
            best = max(best, scores.total([(), *(tuple(sorted((0, *(p + 1 for p in of)))) for of in below)]))
    found = best_tree(scores, limits, rng, above=0)
    assert found.score == pytest.approx(best, abs=1e-9) and all(0 in of for of in found.parents[1:])


def test_the_order_of_columns_has_no_say():
    rng = np.random.default_rng(3)
    codes, cards = columns(rng, 8, 400)
    found = set()
    for _ in range(4):
        order = rng.permutation(8)
        scores = CountedFamilies(Rows(codes[:, order], None, cards[order]), score_of("bic", 400))
        found.add(round(search(scores, Constraints.of(NAMES, cards), rng).score, 6))
    assert len(found) == 1


def test_a_search_that_is_halted_returns_the_graph_it_has():
    rng = np.random.default_rng(0)
    codes, cards = columns(rng, 5)
    scores, limits = CountedFamilies(Rows(codes, None, cards), score_of("bic", 80)), Constraints.of(NAMES[:5], cards)
    assert search(scores, limits, rng, halted=lambda: True).parents == ((),) * 5
    assert best_graph(scores, limits, halted=lambda: True) is None


def test_semi_cliques_and_the_hidden_node_above_them():
    # a, b, c and d are all joined but a and d; e is outside above c, and f below d.
    parents = [(), (0,), (0, 1, 4), (1, 2), (), (3,)]
    assert semi_cliques(parents) == [(0, 1, 2, 3)]
    assert with_hidden(parents, (0, 1, 2, 3)) == ((5,), (0,), (0,), (0,), (0,), (), (4,))
    assert semi_cliques([(), (0,), (1,)]) == []
    # x descends from the group and is a parent of a member: it stays its parent, or there would be a circle.
    assert with_hidden([(), (0,), (0, 1, 3), (0,)], (0, 1, 2)) == ((), (0,), (0,), (0, 4), (1,))


def test_a_directed_graph_of_preferences_has_no_circles_and_no_collider_that_nobody_preferred():
    rng = np.random.default_rng(0)
    for _ in range(50):
        near = np.triu(rng.random((7, 7)) < 0.4, 1)
        near = near | near.T
        preference = np.triu(rng.random((7, 7)), 1)
        preference = preference + np.tril(1 - preference.T, -1)
        arcs = directed(near, preference)
        np.testing.assert_array_equal(arcs | arcs.T, near)
        assert not (arcs & arcs.T).any()
        power = arcs.astype(int)
        for _ in range(7):
            assert not np.diagonal(power).any()
            power = power @ arcs
    chain = np.zeros((5, 5), bool)
    chain[[0, 1, 2, 3], [1, 2, 3, 4]] = True
    undecided = directed(chain | chain.T, np.full((5, 5), 0.5))
    assert undecided.sum(axis=0).max() == 1


def test_clear_preferences_make_colliders():
    near = np.zeros((3, 3), bool)
    near[[0, 1, 1, 2], [1, 0, 2, 1]] = True
    preference = np.zeros((3, 3))
    preference[0, 1], preference[2, 1], preference[1, 2] = 1.0, 0.9, 0.1
    assert np.argwhere(directed(near, preference)).tolist() == [[0, 1], [2, 1]]
