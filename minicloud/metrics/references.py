"""What refers to what: expressions to the results of others, rules of composite alarms to other alarms. Without recursion."""

from collections.abc import Callable, Iterable, Iterator


class CircleError(ValueError):
    """Something refers to itself, directly or through others: `names` are those of the circle, in its order."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(" -> ".join([*names, names[0]]))
        self.names = names


def order(first: str, referred: Callable[[str], Iterable[str]]) -> list[str]:
    """All that `first` refers to, directly or not: each after what it refers to itself, `first` last. Raises CircleError."""
    done: dict[str, bool] = {first: False}
    path: list[tuple[str, Iterator[str]]] = [(first, iter(sorted(referred(first))))]
    found: list[str] = []
    while path:
        name, rest = path[-1]
        following = next((one for one in rest if not done.get(one, False)), None)
        if following is None:
            path.pop()
            done[name] = True
            found.append(name)
        elif following in done:
            names = [one for one, _ in path]
            raise CircleError(names[names.index(following) :])
        else:
            done[following] = False
            path.append((following, iter(sorted(referred(following)))))
    return found
