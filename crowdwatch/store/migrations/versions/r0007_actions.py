"""What an action says beside the alarm that it is about. Those of earlier runs said nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the columns."""
    for name, kind in (("role", sa.String), ("subject", sa.String), ("text", sa.Text)):
        op.add_column("commands", sa.Column(name, kind, nullable=False, server_default=""))
    op.add_column("commands", sa.Column("duration_s", sa.Double, nullable=True))
