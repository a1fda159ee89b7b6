"""What to do about layers: a pure function of the rows and of which guests run.

A layer that nothing names and nothing stands on goes. One that nothing names and exactly one layer stands on becomes one
with that layer. At every moment of every step each layer that is named reads as it always did, so each may be repeated, and
a crash between any two leaves nothing to mend but what the next plan does anyway:

- commit: the child is written down into its parent, which the child hides meanwhile. Then what stands on the child stands
  on the parent, and the rows that named the child name the parent; the child is left without a name.
- pull: what lies between a volume's top and a layer further down is copied up into the top, which then stands on that layer.

Which of the two: the child of a running guest that the guest writes to is pulled into, because the end of a commit of it
would be a moment that a crash makes ambiguous. In all other cases it is a commit, which moves the newer layer's few blocks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..state import chains
from ..state.rows_storage import Layer


@dataclass(frozen=True)
class Top:
    """The layer that a volume writes to, and the guest that runs with it, if one does."""

    volume_id: str
    layer_id: str
    instance_id: str
    running: bool

    @property
    def serial(self) -> str:
        """The disk's serial in the guest."""
        return self.volume_id.replace("-", "")


@dataclass(frozen=True)
class Seen:
    """All layers; the ids of those that a volume or a snapshot names; the volumes' tops."""

    layers: Mapping[str, Layer]
    named: frozenset[str]
    tops: tuple[Top, ...]

    def chain(self, layer_id: str) -> list[Layer]:
        """A layer and what it stands on, downwards."""
        found: list[Layer] = []
        while layer_id:
            found.append(self.layers[layer_id])
            layer_id = self.layers[layer_id].parent
        return found

    def children(self) -> dict[str, list[Layer]]:
        """What stands directly on each layer."""
        found: dict[str, list[Layer]] = {}
        for layer in self.layers.values():
            if layer.parent:
                found.setdefault(layer.parent, []).append(layer)
        return found

    def writer(self, layer_id: str) -> str:
        """The volume whose top a layer is; empty for none."""
        return next((top.volume_id for top in self.tops if top.layer_id == layer_id), "")

    def users(self, layer_id: str) -> list[Top]:
        """The volumes that read from a layer."""
        return [top for top in self.tops if any(layer.id == layer_id for layer in self.chain(top.layer_id))]


@dataclass(frozen=True)
class Drop:
    """Remove a layer that nobody needs."""

    layer_id: str


@dataclass(frozen=True)
class Commit:
    """Write `layer_id` down into `parent`: in the running guest that `top` names, or by ourselves where it is None."""

    layer_id: str
    parent: str
    top: Top | None


@dataclass(frozen=True)
class Pull:
    """Let a volume's top stand directly on the layer `onto`, or on nothing where that is empty."""

    top: Top
    onto: str


Action = Drop | Commit | Pull


def plan(seen: Seen) -> list[Action]:
    """What can be done now. What must wait for a guest to stop is left out (`waiting`)."""
    children, actions = seen.children(), list[Action]()
    for layer in seen.layers.values():
        if layer.id in seen.named:
            continue
        above = children.get(layer.id, [])
        if not above:
            actions.append(Drop(layer.id))
        elif len(above) == 1 and not layer.base and (merge := _merge(seen, layer, above[0], children)):
            actions.append(merge)
    pulled = {action.top.volume_id for action in actions if isinstance(action, Pull)}
    actions += [pull for top in seen.tops if top.volume_id not in pulled and (pull := _flatten(seen, top))]
    return list(dict.fromkeys(actions))


def waiting(seen: Seen) -> list[str]:
    """The layers that nothing names, that could be merged if fewer guests that read from them ran."""
    children = seen.children()
    return [
        layer.id
        for layer in seen.layers.values()
        if layer.id not in seen.named
        and not layer.base
        and len(above := children.get(layer.id, [])) == 1
        and _merge(seen, layer, above[0], children) is None
    ]


def _merge(seen: Seen, parent: Layer, child: Layer, children: Mapping[str, list[Layer]]) -> Action | None:
    running = [top for top in seen.users(child.id) if top.running]
    if not running:
        return Commit(child.id, parent.id, None)
    if len(running) > 1:
        return None
    top = running[0]
    if top.layer_id == child.id:
        return Pull(top, _first_kept(seen, seen.chain(parent.id)[1:], children))
    return Commit(child.id, parent.id, top)


def _first_kept(seen: Seen, below: Iterable[Layer], children: Mapping[str, list[Layer]]) -> str:
    """The first layer downwards that stays whatever happens, or empty: one copy goes past all that would be merged next."""
    for layer in below:
        if layer.base or layer.id in seen.named or len(children.get(layer.id, [])) > 1:
            return layer.id
    return ""


def _flatten(seen: Seen, top: Top) -> Pull | None:
    chain = seen.chain(top.layer_id)
    bottom = chain[-1].id if chain[-1].base else ""
    own = [layer for layer in chain if not layer.base]
    return Pull(top, bottom) if len(own) > chains.MOST_DEPTH else None
