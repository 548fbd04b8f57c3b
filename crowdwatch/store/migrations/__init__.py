"""The steps that bring a store of an older version up to this one; run by :class:`crowdwatch.store.sql.SqlStore`."""
