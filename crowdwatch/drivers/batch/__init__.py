"""How does an archive become one run? Footage is cut into chunks, observed apart, then folded once in time order.

What is heavy (``observe`` over chunks) is driven from ``pipelines``. Here stands what a job is, what is said of its
footage before hours are spent on it, and the fold.
"""

from crowdwatch.drivers.batch.folding import faults_by_reason, focus_spans, fold
from crowdwatch.drivers.batch.footage import FootageReport, kept_in, look_at
from crowdwatch.drivers.batch.jobs import Job, Plan
from crowdwatch.drivers.batch.opening import GPU_FRAMES, JobSettings, alone, find, open_job, reopen

__all__ = [
    "GPU_FRAMES",
    "FootageReport",
    "Job",
    "JobSettings",
    "Plan",
    "alone",
    "faults_by_reason",
    "find",
    "focus_spans",
    "fold",
    "kept_in",
    "look_at",
    "open_job",
    "reopen",
]
