"""How many, and which: criteria, sweeps over candidates, tests of the number of components, AutoClass's search."""
