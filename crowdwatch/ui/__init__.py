"""What does the commander see? The page reads the store and queues what operators do; it opens no camera."""
