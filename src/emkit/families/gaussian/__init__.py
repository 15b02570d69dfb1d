"""Multivariate normal distributions: the family, its parameters, its covariance shapes, its priors."""
