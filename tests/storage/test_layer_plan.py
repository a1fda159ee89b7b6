"""The plan of layers: pure, so every case is a row of text. `a<b` says that b stands on a; a star, that something names it."""

import pytest

from minicloud.reconcile.layer_plan import Commit, Drop, Pull, Seen, Top, plan, waiting
from minicloud.state.chains import IMAGE_LAYERS, MOST_CHAIN, MOST_DEPTH
from minicloud.state.rows_storage import Layer


def seen(chains: str, tops: dict[str, str], running: tuple[str, ...] = ()) -> Seen:
    """Layers of `base<a*<b`, several chains apart by blanks; tops are volumes by their layers."""
    layers: dict[str, Layer] = {}
    named = set(tops)
    for chain in chains.split():
        parent = ""
        for word in chain.split("<"):
            name = word.removesuffix("*")
            named |= {name} if word.endswith("*") else set()
            layers.setdefault(name, Layer(name, parent, "ami-1" if name == "base" else "", 1, "", made=True))
            parent = name
    found = tuple(Top(volume, layer, f"i-{volume}", volume in running) for layer, volume in tops.items())
    return Seen(layers, frozenset(named), found)


def test_what_is_needed_is_left() -> None:
    assert plan(seen("base*<a*<b", {"b": "v"})) == []
    assert plan(seen("a<b a<c", {"b": "v", "c": "w"})) == [], "a fork is needed by two"


def test_what_nobody_needs_goes() -> None:
    assert plan(seen("base*<a*<b", {})) == [Drop("b")]
    assert plan(seen("base", {})) == [Drop("base")]


def test_of_a_volume_that_no_guest_runs_with_the_newer_is_written_down() -> None:
    assert plan(seen("a<b", {"b": "v"})) == [Commit("b", "a", None)]
    assert plan(seen("a<b*<c", {"c": "v"})) == [Commit("b", "a", None)]


def test_of_a_running_guest_the_layer_that_it_writes_to_pulls() -> None:
    state = seen("base*<a<b", {"b": "v"}, ("v",))
    assert plan(state) == [Pull(state.tops[0], "base")]
    state = seen("a<b", {"b": "v"}, ("v",))
    assert plan(state) == [Pull(state.tops[0], "")]
    state = seen("a*<b<c<d", {"d": "v"}, ("v",))
    assert Pull(state.tops[0], "a") in plan(state), "one copy goes past all that would be merged next"


def test_below_a_running_guest_its_own_qemu_writes_down() -> None:
    state = seen("a<b*<c", {"c": "v"}, ("v",))
    assert plan(state) == [Commit("b", "a", state.tops[0])]


def test_under_two_running_guests_it_waits() -> None:
    state = seen("a<b*<c b<d", {"c": "v", "d": "w"}, ("v", "w"))
    state = Seen({**state.layers, "b": Layer("b", "a", "", 1, "", made=True)}, state.named, state.tops)
    assert plan(state) == []
    assert waiting(state) == ["a"]
    one = seen("a<b*<c b<d", {"c": "v", "d": "w"}, ("v",))
    assert plan(one) == [Commit("b", "a", one.tops[0])]


@pytest.mark.parametrize("running", [True, False])
def test_a_long_chain_is_flattened_onto_its_image(running: bool) -> None:
    names = [f"l{number}" for number in range(MOST_DEPTH)]
    chain = "base*<" + "<".join(f"{name}*" for name in names)
    state = seen(f"{chain}<top", {"top": "v"}, ("v",) if running else ())
    assert plan(state) == [Pull(state.tops[0], "base")]
    assert plan(seen(chain, {names[-1]: "v"})) == []


def test_flattening_begins_in_time() -> None:
    """Of what libvirt 10.8 to 11.10 can open, 25, the image has its part, and several snapshots while a copy is made theirs."""
    assert MOST_DEPTH + IMAGE_LAYERS + 6 < MOST_CHAIN < 25
