"""Batch: footage is cut into chunks that are observed apart from each other, then folded once per site in time order.

What is heavy (``observe`` over chunks) is driven from ``pipelines``. Here stands what a job is, what is said of its
footage before hours are spent on it, and the fold.
"""

from crowdwatch.batch.folding import focus_spans, fold
from crowdwatch.batch.footage import Footage, look_at
from crowdwatch.batch.jobs import Job, Plan
from crowdwatch.batch.opening import Settings, find, open_job, reopen

__all__ = ["Footage", "Job", "Plan", "Settings", "find", "focus_spans", "fold", "look_at", "open_job", "reopen"]
