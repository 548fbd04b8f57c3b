"""What runs, and when? The composition root builds the parts; the loop, replay, batch and hand counts drive them."""
