"""CrowdWatch: people per square metre from video, and alerts before a crush. It counts; it never identifies anyone."""

__version__ = "0.1.0"
