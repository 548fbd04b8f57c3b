"""The page: it reads the store and queues what operators do. It opens no camera and runs no model."""
