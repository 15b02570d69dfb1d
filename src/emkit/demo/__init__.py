"""The starting document's problem, solved and drawn: what ``emkit demo`` shows."""
