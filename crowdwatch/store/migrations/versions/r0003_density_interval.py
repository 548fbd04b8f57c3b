"""The interval of a zone's density. Readings of earlier runs have none: it stays unknown."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add both ends."""
    for end in ("density_low", "density_high"):
        op.add_column("readings", sa.Column(end, sa.Double))
