"""The structure of a network, learnt: scores of families, constraints, searches, equivalence classes."""
