"""What would other limits have said of a recorded night? Logs folded again, compared, and scored against incidents."""
