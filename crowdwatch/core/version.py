"""The version of CrowdWatch: one number for the wheel, the log's header and the workers of a batch."""

__all__ = ["__version__"]

__version__ = "0.1.0"
