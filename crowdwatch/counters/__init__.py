"""How many are there where nobody can be boxed? Adapters of the ``Counter`` port; :func:`load` chooses one."""

from crowdwatch.counters.choose import is_counter, load

__all__ = ["is_counter", "load"]
