"""How does the engine do? Metrics, signs of health and signed pictures, over HTTP."""
