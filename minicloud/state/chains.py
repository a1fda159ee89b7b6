"""How many layers a volume may stand on.

Two figures, both with all layers counted that QEMU opens, so also the one of the image:

- `MOST_CHAIN` is what no volume goes beyond: libvirt 10.8 to 11.10 (Debian 13 has 11.3) starts no guest with a 26th layer. Only a
  snapshot makes a chain longer (a volume made of a snapshot is as deep as the one that it was taken of), so a snapshot that
  would go beyond it is refused, until the volume was flattened.
- `MOST_DEPTH` is where flattening begins, far enough below for a copy that takes its time while snapshots go on.
"""

from .rows_storage import Layer
from .table import Table

MOST_DEPTH = 16
"""Layers of a volume, without the image's own, above which its top is flattened."""
IMAGE_LAYERS = 1
"""A base image is one file, and stands on nothing."""
MOST_CHAIN = 24


def depth(layers: Table[Layer], layer_id: str) -> int:
    """How many layers there are from this one down, itself and the image's counted."""
    found = 0
    while layer_id and (layer := layers.get(layer_id)):
        found, layer_id = found + 1, layer.parent
    return found
