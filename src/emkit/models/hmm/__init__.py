"""Hidden Markov models: the model, its recursions, and what is done with a fitted chain."""
