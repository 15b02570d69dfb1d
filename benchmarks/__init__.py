"""Speed beside other libraries: ``python -m benchmarks mixture``, ``hmm`` and ``answer``."""
