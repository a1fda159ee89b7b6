"""EC2 on one Linux host, with real virtual machines."""

__version__ = "0.1.0"
