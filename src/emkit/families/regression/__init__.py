"""Regressions as a family: one column given others."""
