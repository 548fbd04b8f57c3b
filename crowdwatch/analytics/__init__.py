"""What does the site say now? The pure fold ``advance``: coverage, density, readings, health, alerts and audits."""
