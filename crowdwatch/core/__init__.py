"""What is there to speak of?

The nouns (frames, detections, observations, readings, the site) and the ports that others fill.
"""
