"""The pages beside the watch page, one module each."""
