"""Where are the files that ship or are fetched? Examples, models and sample recordings."""
