"""Adapters of the ``Counter`` port, persons per pixel block for crowds too dense to box, and :func:`load`."""

from crowdwatch.counters.choose import load

__all__ = ["load"]
