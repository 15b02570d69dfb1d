"""AutoClass: a Bayesian score of classifications, and a search for the number of classes by it."""
