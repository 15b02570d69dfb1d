"""Variational Bayes: families whose parameters are distributions over hypotheses, updated by the same EM."""
