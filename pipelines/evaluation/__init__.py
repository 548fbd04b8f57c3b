"""How good are the numbers? Counts against annotated truth, and the intervals that are fitted to their errors."""
