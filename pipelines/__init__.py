"""Batch programs around the library: evaluation and benchmarks. Graphs and I/O only; the maths is in crowdwatch."""
