"""Why a command was not carried out. Those of earlier runs all were."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column."""
    op.add_column("commands", sa.Column("refused", sa.Text, nullable=True))
