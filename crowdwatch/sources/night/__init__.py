"""A scripted night: a crowd that we generate, what cameras would see of it, and what is known to happen. No footage.

``plan`` draws from a seed what happens when, ``crowd`` moves the people, ``watching`` turns them into observations, and
``script`` puts both into the order of a log. The site is that of ``examples/new_year``.
"""

from crowdwatch.sources.night.plan import SHOWN_S, Incident, IncidentKind, NightPlan, plan_night, plan_show
from crowdwatch.sources.night.script import Night

__all__ = ["SHOWN_S", "Incident", "IncidentKind", "Night", "NightPlan", "plan_night", "plan_show"]
