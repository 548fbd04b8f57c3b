"""How fast is it? Ratios of one run on one machine."""
