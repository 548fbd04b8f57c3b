"""Which pictures of a stream are whole: those that lean on a damaged one are not, up to the next keyframe."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LEANS_S", "Damage"]

LEANS_S = 10.0
"""Pictures lean on a damaged one until the next keyframe, or no longer than this."""


@dataclass(slots=True)
class Damage:
    """Packets in the order of decoding and pictures in the order of showing go in; a keyframe is shown behind pictures
    that were decoded before it.

    >>> damage = Damage()
    >>> damage.packet(0.0, key=True, lossy=False, pts=0), damage.whole(0)
    (None, True)
    >>> damage.packet(0.1, key=False, lossy=True, pts=1), damage.whole(1)
    (None, False)
    >>> damage.packet(0.2, key=True, lossy=False, pts=3), damage.whole(2), damage.whole(3)
    (None, False, True)
    """

    _since: float | None = None
    _heals_at: int | None = None

    def packet(self, now: float, *, key: bool, lossy: bool, pts: int | None) -> None:
        """The next packet is decoded.

        Args:
            now: seconds of any clock.
            key: it is a keyframe.
            lossy: packets of the network were missing in it or just behind it.
            pts: its time stamp.
        """
        if lossy:
            self.found(now)
        elif self._since is not None:
            if now - self._since > LEANS_S or (key and pts is None):
                self._since = self._heals_at = None
            elif key:
                self._heals_at = pts

    def found(self, now: float) -> None:
        """The decoder says that what it decoded last is damaged."""
        self._since, self._heals_at = now, None

    def whole(self, pts: int | None) -> bool:
        """Whether the picture with this time stamp, the next that is shown, is whole."""
        if self._since is not None and self._heals_at is not None and (pts is None or pts >= self._heals_at):
            self._since = self._heals_at = None
        return self._since is None
