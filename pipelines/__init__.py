"""Which programs work around the library? Batch, training, evaluation and benchmarks; the maths is in crowdwatch."""
