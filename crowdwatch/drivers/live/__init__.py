"""How is an event driven while it happens? Stations observe cameras, an engine folds what they say."""
