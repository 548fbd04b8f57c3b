"""Where is it kept? Readings, alerts and runs in SQLite or PostgreSQL; the observation log in Parquet."""
