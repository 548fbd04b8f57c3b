"""What does one picture show?

``observe`` answers without memory: people and the density map on the ground, and evidence of health.
"""
