"""Adapters of the ``Counter`` port: persons per pixel block, for crowds too dense to box."""
