"""Mixtures of experts as a family: a Gaussian over the inputs, the gate, beside a distribution of the target given them."""
