"""Alembic runs this file; the connection, inside its transaction, comes from :mod:`crowdwatch.store.migrate`."""

from alembic import context

from crowdwatch.store.tables import METADATA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
