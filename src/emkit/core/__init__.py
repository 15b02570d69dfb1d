"""The nouns and the loop. Imports numpy only."""
