"""Bayesian networks: directed acyclic graphs of conditional distributions, with holes in the data and hidden nodes."""
