"""Where readings, alerts and runs are kept (SQLite or PostgreSQL) and the observation log (Parquet)."""
