"""How does a pixel of this camera become a place?

From surveyed points, a known pose, or a calibration file, checked by eye.
"""
