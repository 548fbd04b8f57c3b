"""What runs while a live run lasts: stations that observe cameras, and the engine that folds what they say."""
