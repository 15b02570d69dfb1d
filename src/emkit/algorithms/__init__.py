"""How E and M are put together."""
