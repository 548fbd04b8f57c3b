"""One file per step, in a chain from the first."""
