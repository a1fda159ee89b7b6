"""The flags of a command, made from AWS's description of an operation exactly as the aws CLI makes them.

A parameter's name in kebab case is its flag. A truth value has `--x` and `--no-x`; a structure that only holds a truth value
named Value has both too; a list takes any number of words; all else takes one. A flag whose parameter minicloud does not
support is a flag all the same: the operation refuses it by name, which says more than 'unknown'.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..aws.model import Operation, Shape, xform_name
from .output import FORMATS

Takes = Literal["one", "many", "maybe", "none"]

_NEGATIVES = {"egress": "ingress", "disable-api-termination": "enable-api-termination", "no-reboot": "reboot"}
"""Where the aws CLI calls the opposite of a flag something other than --no-FLAG."""


@dataclass(frozen=True)
class Flag:
    """A flag without its dashes. `member` is the parameter it sets, empty for flags of the command line alone."""

    name: str
    takes: Takes = "one"
    member: str = ""
    shape: Shape | None = None
    required: bool = False
    negates: str = ""
    """The flag that this one turns off."""
    help: str = ""
    """Plain text or AWS's HTML."""
    choices: tuple[str, ...] = ()


Flags = Mapping[str, Flag]


def flag(name: str, help: str, takes: Takes = "one", choices: tuple[str, ...] = ()) -> Flag:
    """A flag of the command line alone."""
    return Flag(name, takes, help=help, choices=choices)


SKELETONS = ("input", "output", "yaml-input")
COLORS = ("on", "off", "auto")
COMMON = (
    flag("output", "How to print the answer.", choices=FORMATS),
    flag("query", "A JMESPath expression; what it finds in the answer is printed."),
    flag("cli-input-json", "Parameters as JSON (text or file://PATH); flags win over them."),
    flag("cli-input-yaml", "Parameters as YAML (text or file://PATH); flags win over them."),
    flag("generate-cli-skeleton", "Print an empty input, or an example of the output.", "maybe", SKELETONS),
    flag("paginate", "Ask for all pages (the default).", "none"),
    Flag("no-paginate", "none", negates="paginate", help="Ask for the first page only."),
    flag("endpoint-url", "Speak to this AWS endpoint, not to this host."),
    flag("profile", "Speak to the endpoint, and with the keys, of this profile in ~/.aws."),
    flag("region", "The region; a host is in one, and any other is refused."),
    flag("color", "Whether tables have colours; auto: on a terminal.", choices=COLORS),
    flag("no-cli-pager", "As it is anyway: nothing stands between an answer and standard output.", "none"),
    flag("cli-binary-format", "As it is anyway: bytes are given as they are.", choices=("raw-in-base64-out",)),
    flag("debug", "On a fault, show where in the program it happened.", "none"),
    flag("help", "Show this text.", "none"),
)
PAGING = (
    flag("starting-token", "Go on after this NextToken of an earlier answer."),
    flag("max-items", "Print at most so many items, and a NextToken if there are more."),
)
PAGE_SIZE = flag("page-size", "How many items to ask for at once; the answer is the same.")


def flags_of(operation: Operation, own: tuple[Flag, ...] = (), dropped: frozenset[str] = frozenset()) -> dict[str, Flag]:
    """All flags of an operation by name: its parameters' (without those `dropped`), `own`, and the common ones."""
    found: dict[str, Flag] = {}
    required = set(operation.input_shape.required) if operation.input_shape else set()
    for member in operation.input.values():
        name = xform_name(member.name, "-")
        if name not in dropped:
            for made in _of_member(name, member.name, member.shape, member.name in required, member.documentation):
                found[made.name] = made
    paginator = operation.service.paginators.get(operation.name)
    paging = (*PAGING, *((PAGE_SIZE,) if paginator and "limit_key" in paginator else ())) if paginator else ()
    for made in (*own, *COMMON):
        found.setdefault(made.name, made)
    # As with the aws CLI these come before parameters of the same name (IAM's MaxItems, a load balancer's PageSize).
    return found | {made.name: made for made in paging}


def _of_member(name: str, member: str, shape: Shape, required: bool, text: str) -> list[Flag]:
    choices = tuple((shape.element if shape.kind == "list" else shape).enum)
    takes: Takes = "one"
    if shape.kind == "list":
        takes = "many"
    elif shape.kind == "boolean":
        takes = "none"
    elif holds_truth(shape):
        takes = "maybe"
    found = [Flag(name, takes, member, shape, required, help=text, choices=choices)]
    if takes in ("none", "maybe"):
        opposites = [f"no-{name}", *([_NEGATIVES[name]] if name in _NEGATIVES else [])]
        found += [Flag(opposite, "none", negates=name) for opposite in opposites]
    return found


def holds_truth(shape: Shape) -> bool:
    """Whether it is a structure of one truth value named Value."""
    if shape.kind != "structure" or list(shape.raw["members"]) != ["Value"]:
        return False
    return shape.members["Value"].shape.kind == "boolean"
