"""COVERAGE.md: each operation of each service that minicloud has, made from AWS's models and the operations themselves.

`python -m scripts.coverage_table` writes the file; a test compares it. An operation works (then the parameters of AWS's that it
refuses are named), or asks for what nobody can have here and answers that there is none, or it is refused by its own name.
"""

from collections.abc import Iterator
from pathlib import Path

from minicloud import api
from minicloud.aws import model
from minicloud.services.empty import EmptyList

FILE = Path(__file__).parents[1] / "COVERAGE.md"
_HEAD = """# Which operations there are

Made by `python -m scripts.coverage_table`; a test compares it with the program. Every operation acts for real. Lists of what no
account can have here are empty, and ids of such things are refused as those of things that do not exist. A parameter or an
operation of AWS's that is not there is refused by its name (`UnsupportedOperation`), never ignored. A parameter that is refused
may be given all the same with a value that asks for nothing: empty, `false` or zero, AWS's default, or what is so here anyway.
"""


def _service(name: str) -> Iterator[str]:
    described, there = model.service(name), api.operations(name)
    names = described.operation_names
    yield f"\n## {described.metadata['serviceFullName']} (`{name}`): {len(there)} of {len(names)}\n"
    yield "| works | parameters that are refused |"
    yield "| --- | --- |"
    empty = sorted(operation for operation, found in there.items() if isinstance(found, EmptyList))
    for operation in sorted(set(there) - set(empty)):
        found = there[operation]
        refused = ", ".join(sorted(set(found.model.input) - set(found.parameters)))
        yield f"| {operation} | {refused} |"
    if empty:
        yield f"\nEmpty lists: {', '.join(empty)}."
    yield f"\nRefused: {', '.join(sorted(set(names) - set(there)))}."


def text() -> str:
    """The whole file."""
    return "\n".join([_HEAD, *(line for service in api.services() for line in _service(service))]) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
