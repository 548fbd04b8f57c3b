"""Where do frames come from? Adapters of the ``Source`` port: recordings, live
streams, the synthetic scene, and films of drones (:mod:`~crowdwatch.sources.flight`)."""
