"""What does one picture show?

``observe`` answers without memory: people and head mass on the ground, and evidence of health.
"""
