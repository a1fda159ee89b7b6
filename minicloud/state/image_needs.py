"""The base images that a database counts on, read without becoming its user: it may be another minicloud's, and of any version.

What cannot be read is raised, never taken for nothing.
"""

import contextlib
import sqlite3
from pathlib import Path
from urllib.parse import quote

_PATIENCE = 5.0
_NEEDS = """
with recursive above(id, base) as (
    select id, base from layers where base != ''
    union select layers.id, above.base from layers join above on layers.parent = above.id
)
select above.base, 1, volumes.id || case when volumes.instance_id = '' then '' else ' (of ' || volumes.instance_id || ')' end
    from volumes join above on volumes.layer_id = above.id
union select images.base, 2, instances.id
    from instances join images on images.id = instances.image_id where instances.state != 'terminated'
union select base, 3, id from images where state in ('available', 'pending', 'disabled')
union select above.base, 4, snapshots.id from snapshots join above on snapshots.layer_id = above.id
union select base, 5, 'the layer ' || id from layers
order by 1, 2, 3
"""
"""Volumes, instances that are not terminated (they may start with the image's kernel), AMIs, snapshots, layers."""


def of(database: Path) -> dict[str, list[str]]:
    """The ids of base images, each with what counts on it: the first of these kinds of which there is any. None without a state.

    Raises sqlite3.Error.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if database.stat().st_size:
            return _read(database)
    return {}


def _read(database: Path) -> dict[str, list[str]]:
    found: dict[str, tuple[int, list[str]]] = {}
    # Not mode=ro: such a connection cannot take away the log that it makes beside the file.
    address = f"file:{quote(str(database.absolute()))}?mode=rw"
    with contextlib.closing(sqlite3.connect(address, uri=True, timeout=_PATIENCE)) as connection:
        connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA trusted_schema=OFF")
        for base, kind, what in connection.execute(_NEEDS):
            first, those = found.setdefault(base, (kind, []))
            if kind == first:
                those.append(what)
    return {base: those for base, (_, those) in found.items() if base}
