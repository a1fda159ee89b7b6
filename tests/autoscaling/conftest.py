"""Fixtures of these tests."""

from .scene import clock, scaling

__all__ = ["clock", "scaling"]
