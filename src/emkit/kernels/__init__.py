"""Compiled twins of the hot paths: one file per family or model, and the vector mathematics they share.

Nothing here is imported until a fit is large enough to be worth it; see ``emkit.families.gaussian``.
"""
