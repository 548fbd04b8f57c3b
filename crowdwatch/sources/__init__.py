"""Adapters of the Source port: recordings and the synthetic scene."""
