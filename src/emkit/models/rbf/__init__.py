"""Radial basis function networks: units of one shared metric, weights integrated out, everything else by evidence."""
