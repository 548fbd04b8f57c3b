"""How are files found, fetched and read? Examples, models and sample recordings; YAML with the line of every value."""
