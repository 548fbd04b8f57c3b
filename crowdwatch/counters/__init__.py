"""Adapters of the ``Counter`` port: persons per pixel block, for crowds too dense to box. :func:`load` chooses one."""

from crowdwatch.counters.choose import is_counter, load

__all__ = ["is_counter", "load"]
