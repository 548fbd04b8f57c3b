"""From the evidence of pictures to the health of a camera. Memory is one :class:`CameraWatch` per camera.

What shows in one picture alone is judged by fixed limits (:func:`judge`). The rest is judged against what is usual for
the camera: what it lost (:mod:`.loss`), where it drowns in noise (:mod:`.noise`), whether it is frozen
(:mod:`.stillness`), whether it looks elsewhere (:mod:`.alignment`). What comes and goes is summed up
(:mod:`.recurrence`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from crowdwatch.analytics.alignment import Alignment
from crowdwatch.analytics.clarity import Clarity, blank_blocks, detail, shows_nothing
from crowdwatch.analytics.loss import Loss
from crowdwatch.analytics.noise import NOISE_LOST, SOME_NOISE, noisy_blocks
from crowdwatch.analytics.recurrence import Recurrence
from crowdwatch.analytics.reference import Mask, Reference, Shown
from crowdwatch.analytics.stillness import Stillness
from crowdwatch.core.blocks import BLOCKS_HW, BlockEvidence
from crowdwatch.core.outcomes import Health
from crowdwatch.core.records import Detections, Evidence

__all__ = ["CameraWatch", "judge", "people_in_blocks"]

DARK_LUMA, DARK_CONTRAST = 8.0, 6.0
"""A lens cap or a dead sensor. A lit street at night keeps lamps in the picture and so its contrast. [design value]"""

BRIGHT_LUMA, BRIGHT_CONTRAST = 247.0, 8.0
"""Nearly every pixel clipped. [design value]"""

COVERED_CONTRAST = 4.0
"""A cloth, paint, thick smoke: one tone from edge to edge, at any brightness. [design value]"""

NOISE_SHARPNESS, NOISE_CHANGE = 17.0, 0.9
"""In noise no pixel knows of its neighbour, nor of itself a frame before: the variance of the Laplacian is 20 times
that of the brightness, and the mean change 1.13 standard deviations of it (1.15 where all values are alike). Either
alone would not do: the finest of ShanghaiTech's 700 photographs reaches 17.8 (the next 13.7), PETS2009 1.8."""

NOISE_BLOCKS = 0.8
"""In noise over so many blocks the camera is lost at once, not only where it is."""

UNCOVERED_SHARE = 0.08
"""Where so much of the picture that was blank since the beginning shows something at once, it was covered."""

LEARNS_BELOW = 0.3
"""Nothing is learned while more of the picture than this is lost."""

MOST_STEP_S = 2.0
"""A picture stands for no more time than this, however long the one before is past."""

PERHAPS_SCORE, SURE_SCORE = 0.1, 0.4
"""Scores of boxes: of what may be a person, so that a block is not learned from, and of what is one."""


@dataclass(frozen=True, slots=True, eq=False)
class CameraWatch:
    """What is remembered of a camera's pictures.

    Args:
        last_ns: the newest picture.
        frame_hash, same_since_ns: its content, and since when that has not changed.
        picture: what the pictures are worth.
        saturated: whether a limit cut its boxes off.
        counted: whether people are counted from the newest picture.
        reference: what is usual for the camera; None before the first picture with evidence by blocks.
        loss: the blocks that show nothing.
        stillness: whether it is frozen.
        alignment: whether it looks where it looked; None before the first profiles.
        profiles_ns: when these were measured last.
        alike_ns: when they last showed the usual view.
        clarity: how much of the usual structure its pictures show in all.
        blank: the blocks that have shown one tone in every picture, and nobody.
        begun_ns: since when the camera shows what it does: from its first picture, where it did not begin with a fault.
        calibrated: the reference began with a calibrated picture.
        recurrence: what spoils its pictures again and again.
    """

    last_ns: int | None = None
    frame_hash: str = ""
    same_since_ns: int = 0
    picture: Health = Health.OK
    saturated: bool = False
    counted: bool = True
    reference: Reference | None = None
    loss: Loss = field(default_factory=Loss)
    stillness: Stillness = field(default_factory=Stillness)
    alignment: Alignment | None = None
    profiles_ns: int = 0
    alike_ns: int = 0
    clarity: Clarity = field(default_factory=Clarity)
    blank: Mask | None = None
    begun_ns: int = 0
    calibrated: bool = False
    recurrence: Recurrence = field(default_factory=Recurrence)

    @classmethod
    def of(cls, calibrated: BlockEvidence | None) -> CameraWatch:
        """Begin with what a calibrated picture shows, where there is one."""
        if calibrated is None:
            return cls()
        alignment = None if calibrated.profiles is None else Alignment.of(calibrated.profiles, calibrated=True)
        reference = Reference.of(Shown.of(calibrated), calibrated=True)
        return cls(reference=reference, alignment=alignment, calibrated=True)

    def see(
        self, t_ns: int, evidence: Evidence, found: Detections | None, stale_limit: float, *, moves: bool = False
    ) -> CameraWatch:
        """Take in one more picture's evidence.

        Args:
            t_ns: exposure.
            evidence: of the picture.
            found: boxes in it, of people who may be there.
            stale_limit: as of :func:`crowdwatch.analytics.staleness.stale_limit_s`.
            moves: the camera shows another scene with every picture, so nothing is usual for it.
        """
        same_since_ns = self.same_since_ns if evidence.frame_hash == self.frame_hash else t_ns
        picture = judge(evidence)
        saturated = found is not None and found.saturated
        new = replace(
            self, last_ns=t_ns, frame_hash=evidence.frame_hash, same_since_ns=same_since_ns, saturated=saturated
        )
        if evidence.blocks is None or moves:
            frozen = (t_ns - same_since_ns) / 1e9 >= stale_limit
            picture = Health.FROZEN if frozen else picture
            return replace(new, picture=picture, counted=picture is Health.OK)
        return new._compared(self.last_ns, evidence.blocks, picture, found, stale_limit, detail(evidence))

    def _compared(
        self,
        before_ns: int | None,
        blocks: BlockEvidence,
        picture: Health,
        found: Detections | None,
        limit_s: float,
        sharp: float,
    ) -> CameraWatch:
        """Hold a picture against the camera's reference."""
        t_ns = self.last_ns or 0
        dt_s = 0.0 if before_ns is None else min(max(t_ns - before_ns, 0) / 1e9, MOST_STEP_S)
        shown = Shown.of(blocks, self.stillness.noise)
        reference = self.reference or Reference.of(shown)
        noisy, noise = noisy_blocks(reference, shown, blocks)
        clarity = self.clarity.see(reference, shown, dt_s, noisy=noise >= SOME_NOISE, sharp=sharp)
        if clarity.outdated and not self.calibrated:
            kept = self.last_ns, self.frame_hash, self.same_since_ns
            begun_anew = CameraWatch(*kept, saturated=self.saturated, begun_ns=t_ns)
            return begun_anew._compared(before_ns, blocks, picture, found, limit_s, sharp)
        loss = self.loss.see(reference, shown, dt_s, noisy if noise >= NOISE_LOST else None)
        occupied, people = people_in_blocks(found)
        blank = blank_blocks(blocks) & ~occupied
        begun_ns = self.begun_ns
        if self.blank is not None:
            uncovered = (self.blank & ~blank).mean() >= UNCOVERED_SHARE
            blank, begun_ns = blank & self.blank, t_ns if uncovered else begun_ns
        if picture is Health.OK:
            picture = Health.NOISY if noise >= NOISE_BLOCKS else shows_nothing(blocks)
        stillness = self.stillness.see(blocks.change, loss.hidden, dt_s, limit_s, people)
        frozen = stillness.frozen or ((t_ns - self.same_since_ns) / 1e9 >= limit_s and not stillness.untold)
        fit = picture is Health.OK and not frozen and not loss.doubtful and loss.share < LEARNS_BELOW
        fit = fit and noise < SOME_NOISE
        alignment, profiles_ns = self.alignment, self.profiles_ns
        if blocks.profiles is not None:
            if alignment is None:
                alignment = Alignment.of(blocks.profiles)
            elif picture is Health.OK and not loss.whole:
                since_s = min((t_ns - profiles_ns) / 1e9, MOST_STEP_S)
                alignment = alignment.see(blocks.profiles, loss.hidden, since_s, learn=fit)
            profiles_ns = t_ns
        moved, elsewhere = alignment is not None and alignment.moved, alignment is not None and alignment.doubtful
        alike_ns = (
            t_ns if profiles_ns == t_ns and not moved and (alignment is None or alignment.alike) else self.alike_ns
        )
        recurrence = self._again(picture, loss, stillness, dt_s, (t_ns - alike_ns) / 1e9 if moved or elsewhere else 0.0)
        if picture is Health.OK:
            frozen_or_moved = Health.FROZEN if frozen else Health.MOVED if moved else Health.OK
            picture = loss.kind if loss.whole else frozen_or_moved
        if picture is Health.OK and recurrence.recurring:
            picture = recurrence.kind
        if fit and not moved:
            reference = reference.learn(shown, ~(loss.hidden | occupied), dt_s)
        counted = picture is Health.OK and not loss.doubtful and not elsewhere
        return replace(
            self, picture=picture, counted=counted, reference=reference, loss=loss, stillness=stillness,
            alignment=alignment, profiles_ns=profiles_ns, alike_ns=alike_ns, clarity=clarity, blank=blank,
            begun_ns=begun_ns, recurrence=recurrence,
        )  # fmt: skip

    def _again(self, picture: Health, loss: Loss, stillness: Stillness, dt_s: float, elsewhere_s: float) -> Recurrence:
        """What comes and goes, with one picture more. Blocks that are lost again and again are remembered as such
        (:mod:`.loss`)."""
        kind = picture
        if kind is Health.OK and not loss.whole:
            kind = Health.MOVED if elsewhere_s > 0 else Health.FROZEN if stillness.paused else Health.OK
        return self.recurrence.see(kind, dt_s, elsewhere_s)

    @property
    def lost(self) -> Mask | None:
        """The blocks of its picture that show nothing; None where all do."""
        return self.loss.lost if self.loss.lost.any() else None

    @property
    def partly(self) -> Health:
        """Why a part of the picture is not counted from, while the rest is; OK where nothing is wrong."""
        if self.loss.lost.any():
            return self.loss.kind
        doubtful = self.loss.doubtful or (self.alignment is not None and self.alignment.doubtful)
        return Health.DAMAGED if doubtful else Health.OK

    @property
    def sound_ns(self) -> int | None:
        """What was counted after this turns out to be worth nothing; None where nothing does.

        A camera that looks elsewhere has done so since its profiles last showed the usual view, a frozen picture has
        been since it is still.
        """
        if self.alignment is not None and (self.alignment.moved or self.alignment.doubtful):
            return self.alike_ns
        if self.picture is Health.FROZEN:
            still_ns = (self.last_ns or 0) - round(self.stillness.lasts_s * 1e9)
            return still_ns if self.stillness.frozen else self.same_since_ns
        return None

    @property
    def kept(self) -> float | None:
        """What is left of the usual structure, where that is too little to find everybody; else None."""
        return self.clarity.kept if self.clarity.unclear else None

    @property
    def unproven(self) -> bool:
        """Whether nothing but its own first pictures says what it has to show."""
        return self.reference is not None and not self.calibrated

    @property
    def soft(self) -> bool:
        """Whether its lens may be out of focus, and no reference picture says how clear it can be."""
        return self.unproven and self.clarity.soft

    @property
    def untold(self) -> bool:
        """Whether a frozen picture would look the same."""
        return self.stillness.untold

    def age_s(self, t_ns: int) -> float:
        """Seconds since the newest picture; infinite when there never was one."""
        return float("inf") if self.last_ns is None else (t_ns - self.last_ns) / 1e9

    def health(self, t_ns: int, started_ns: int, stale_limit: float) -> Health:
        """SILENT after the stale limit (counted from the start for a camera that has never spoken)."""
        since_ns = started_ns if self.last_ns is None else self.last_ns
        if (t_ns - since_ns) / 1e9 > stale_limit:
            return Health.SILENT
        return self.picture


def people_in_blocks(found: Detections | None) -> tuple[Mask, int]:
    """The blocks that boxes of people reach, and how many boxes of people there are."""
    edges = np.zeros((BLOCKS_HW[0] + 1, BLOCKS_HW[1] + 1), dtype=np.int64)
    if found is None or not len(found):
        return edges[:-1, :-1] > 0, 0
    likely = found.xyxy_px[found.score >= PERHAPS_SCORE]
    scale = np.array([BLOCKS_HW[1], BLOCKS_HW[0]]) / np.array(found.image_hw[::-1])
    low = np.clip(np.floor(likely[:, :2] * scale), 0, np.array(BLOCKS_HW[::-1])).astype(np.int64)
    high = np.clip(np.ceil(likely[:, 2:] * scale), 0, np.array(BLOCKS_HW[::-1])).astype(np.int64)
    for x, y, sign in ((low, low, 1), (high, low, -1), (low, high, -1), (high, high, 1)):
        np.add.at(edges, (y[:, 1], x[:, 0]), sign)
    inside: Mask = edges.cumsum(axis=0).cumsum(axis=1)[:-1, :-1] > 0
    return inside, int((found.score >= SURE_SCORE).sum())


def judge(evidence: Evidence) -> Health:
    """What one picture by itself says.

    >>> judge(Evidence("0" * 16, luma=2.0, contrast=1.0, sharpness=0.0, change=0.0)).value
    'dark'
    """
    if evidence.luma < DARK_LUMA and evidence.contrast < DARK_CONTRAST:
        return Health.DARK
    if evidence.luma > BRIGHT_LUMA and evidence.contrast < BRIGHT_CONTRAST:
        return Health.OVEREXPOSED
    if evidence.contrast < COVERED_CONTRAST:
        return Health.COVERED
    rough = evidence.sharpness > NOISE_SHARPNESS * evidence.contrast**2
    if rough and evidence.change > NOISE_CHANGE * evidence.contrast:  # without a frame before, the change is NaN
        return Health.NOISY
    return Health.OK
