"""The fixture that all tests of the metadata service share."""

from .metadata_guest import guest

__all__ = ["guest"]
