"""Pictures handed from one process to another without a copy: slots of shared memory, each for one pair."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SLOTS", "Slots"]

SLOTS = 4
"""Of a camera: one is written, one waits, one is looked at, and one is on its way back."""


@dataclass(frozen=True, slots=True)
class Slots:
    """Anonymous shared memory for :data:`SLOTS` pairs of pictures of one size. It ends with the last process that has
    it, however that ends; nothing is left in ``/dev/shm``.

    Args:
        file: its descriptor.
        image_hw: height and width of every picture.
        memory: as this process sees it.
    """

    file: int
    image_hw: tuple[int, int]
    memory: mmap.mmap

    @classmethod
    def make(cls, image_hw: tuple[int, int]) -> Slots:
        """New slots. Raises OSError: no memory, or no file descriptors are left."""
        file = os.memfd_create("crowdwatch", os.MFD_CLOEXEC)
        try:
            os.ftruncate(file, 2 * SLOTS * _size(image_hw))
            return cls.of(file, image_hw, writable=False)
        except BaseException:
            os.close(file)
            raise

    @classmethod
    def of(cls, file: int, image_hw: tuple[int, int], *, writable: bool) -> Slots:
        """The same slots in another process."""
        access = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        return cls(file, image_hw, mmap.mmap(file, 2 * SLOTS * _size(image_hw), mmap.MAP_SHARED, access))

    def picture(self, slot: int, which: int) -> NDArray[np.uint8]:
        """(H, W, 3) u8, a view: ``which`` is 0 for the picture before and 1 for the current one."""
        size = _size(self.image_hw)
        flat = np.frombuffer(self.memory, np.uint8, size, (2 * slot + which) * size)
        return flat.reshape(*self.image_hw, 3)

    def close(self) -> None:
        """Give the descriptor back; the memory goes when no picture of it is looked at any more."""
        os.close(self.file)


def _size(image_hw: tuple[int, int]) -> int:
    return image_hw[0] * image_hw[1] * 3
