"""Latent structure over families."""
