"""Where do frames come from? Adapters of the ``Source`` port: recordings and the synthetic scene."""
