"""COVERAGE.md: each operation of each service that minicloud has, made from AWS's models and the operations themselves.

`python -m scripts.coverage_table` writes the file; a test compares it. An operation works (then the parameters of AWS's that it
refuses are named), or it is refused by its own name.
"""

from collections.abc import Iterator
from pathlib import Path

from minicloud import api
from minicloud.aws import model

FILE = Path(__file__).parents[1] / "COVERAGE.md"
_HEAD = """# Which operations there are

Made by `python -m scripts.coverage_table`; a test compares it with the program. Every operation acts for real. A parameter or an
operation of AWS's that is not there is refused by its name (`UnsupportedOperation`), never ignored.
"""


def _service(name: str) -> Iterator[str]:
    described, there = model.service(name), api.operations(name)
    names = described.operation_names
    yield f"\n## {described.metadata['serviceFullName']} (`{name}`): {len(there)} of {len(names)}\n"
    yield "| works | parameters that are refused |"
    yield "| --- | --- |"
    for operation in sorted(there):
        found = there[operation]
        refused = ", ".join(sorted(set(found.model.input) - set(found.parameters)))
        yield f"| {operation} | {refused} |"
    yield f"\nRefused: {', '.join(sorted(set(names) - set(there)))}."


def text() -> str:
    """The whole file."""
    return "\n".join([_HEAD, *(line for service in api.services() for line in _service(service))]) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
