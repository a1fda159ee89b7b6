"""Operations: what `@operation` declares, and `call`, the one path that every request takes.

    find -> authorize -> validate -> keep what is supported -> [ClientToken -> the function -> DryRun] -> Filters -> pages

The brackets are one transaction. A dry run rolls it back: it is told what the request would have been told. An operation is a
function `name(call, *, parameters) -> answer` in `services/<service>/`; its keyword parameters are the supported subset of
AWS's, in snake case; a TypedDict as annotation is the supported subset of a nested structure. The function sees neither
DryRun, ClientToken, Filters, MaxResults and NextToken nor TagSpecifications; it calls `call.tag` for what it made.
"""

import functools
import hashlib
import importlib
import inspect
import json
import pkgutil
import re
import secrets
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from .aws import empties, harmless, ids, model, page_rules, refusals, tags, times, validate
from .aws import filters as aws_filters
from .callers import Caller, authorize
from .callers import makers as makers_of
from .cloud import Cloud
from .config import Settings
from .errors import ApiError
from .state.rows import ClientToken, Tag
from .state.table import Row, Table

CENTRAL = ("DryRun", "ClientToken", "Filters", "MaxResults", "MaxRecords", "NextToken", "TagSpecifications")
MOST_TOKEN = 64
"""Characters of a client token, where AWS says nothing else."""
TOKEN_KEPT = 7 * 86400.0
"""Seconds for which a client token is remembered; AWS promises a day at least."""
SAYS_PARAMETERS = {"CreateVolume"}
"""Operations that speak of parameters where the others of AWS speak of arguments, when a client token comes again."""
_READS = ("Describe", "Get", "List")
EMPTY = "empty_lists"
"""The file of a service that declares the operations about things that nobody can have here (`services/empty.py`)."""
_NONE: Mapping[str, str] = MappingProxyType({})

Answer = dict[str, Any]
FilterPaths = Mapping[str, "str | Callable[[Cloud, Any], Iterable[str]]"]
"""Filters by AWS's names: each a path in an item of the answer, or what finds its values in the state for an item."""


@dataclass
class Call:
    """One request on its way. Without a `caller` it is the host's own root, who is the account."""

    cloud: Cloud
    operation: "OperationDef"
    request_id: str
    client_token: str = ""
    caller: Caller | None = None
    wanted_tags: dict[str, dict[str, str]] = field(default_factory=dict)
    touched: list[str] = field(default_factory=list)
    prepared: Any = None
    """What `OperationDef.prepare` made."""
    now: str = field(default_factory=times.now)
    most: int | None = None
    next_token: str = ""
    """The page that is asked for, for operations that make their pages themselves."""
    passed_over: Sequence[str] = ()
    """The parameters that minicloud does not have, and that asked for nothing (`harmless`)."""

    @property
    def makers(self) -> list[str]:
        """What a row that acts later keeps of who made it."""
        return makers_of(self.caller)

    def tag(self, resource_type: str, resource_id: str) -> list[dict[str, str]]:
        """Give a new resource the tags that the request asked for; returns them as AWS answers them."""
        wanted = self.wanted_tags.get(resource_type, {})
        for key, value in wanted.items():
            self.cloud.state.tags.add(Tag(resource_id, key, value, resource_type))
        return [{"Key": key, "Value": value} for key, value in wanted.items()]

    def touch(self, *resource_ids: str) -> None:
        """Rows that somebody has to see to before the answer is given."""
        self.touched.extend(resource_ids)


@dataclass(frozen=True)
class OperationDef:
    """An operation that there is: what `operation` was given, and what follows from it."""

    service: str
    name: str
    function: Callable[..., Answer]
    items: str = ""
    key: str = ""
    filters: FilterPaths = field(default_factory=dict)
    outer_filters: FilterPaths = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    replay: Callable[[Call, Answer], None] | None = None
    complete: Callable[[Call, dict[str, Any]], dict[str, Any]] | None = None
    own_pages: bool = False
    prepare: Callable[[dict[str, Any]], Any] | None = None

    @property
    def reads(self) -> bool:
        """Whether it only reads."""
        return self.name.startswith(_READS)

    @functools.cached_property
    def model(self) -> model.Operation:
        """AWS's description of it."""
        return model.service(self.service).operation(self.name)

    @functools.cached_property
    def filter_member(self) -> str:
        """What AWS calls the parameter with its filters: Filter for a few, which with others is no list of filters."""
        other = self.model.input.get("Filter")
        return "Filter" if other and other.shape.kind == "list" and other.shape.element.kind == "structure" else "Filters"

    @functools.cached_property
    def documented_filters(self) -> frozenset[str]:
        """The filters that AWS has for it, declared or not."""
        member = self.model.input.get(self.filter_member)
        return aws_filters.documented(member.documentation) if member else frozenset()

    @functools.cached_property
    def longest_token(self) -> int:
        """The characters that a client token may have, by AWS's model or text."""
        member = self.model.input["ClientToken"]
        said = re.search(r"Maximum ([0-9]+) ASCII", member.documentation)
        bound: int | None = member.shape.raw.get("max")
        return bound or (int(said[1]) if said else MOST_TOKEN)

    @functools.cached_property
    def parameters(self) -> dict[str, Any]:
        """The supported parameters by AWS's names, with their annotations; central ones included where they are served."""
        hints = typing.get_type_hints(self.function)
        names = {model.xform_name(name): name for name in self.model.input}
        own = [p for p in inspect.signature(self.function).parameters.values() if p.kind is p.KEYWORD_ONLY]
        served = {
            "DryRun": True, "ClientToken": not self.reads, "Filters": bool(self.items), "MaxResults": bool(self.key),
            "MaxRecords": bool(self.key), "NextToken": bool(self.key), "TagSpecifications": bool(self.tags),
        }  # fmt: skip
        if self.own_pages:
            served |= {"MaxRecords": True, "NextToken": True}
        central = {name: Any for name, there in served.items() if there and name in self.model.input}
        return {**{names[parameter.name]: hints[parameter.name] for parameter in own}, **central}


def operation(
    *,
    items: str = "",
    key: str = "",
    filters: FilterPaths = _NONE,
    outer_filters: FilterPaths = _NONE,
    tags: tuple[str, ...] = (),
    replay: Callable[[Call, Answer], None] | None = None,
    complete: Callable[[Call, dict[str, Any]], dict[str, Any]] | None = None,
    own_pages: bool = False,
    prepare: Callable[[dict[str, Any]], Any] | None = None,
) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Declare a function to be the operation of its name, in the service of its folder.

    `items` names the list of the answer that `filters` and pages work on, `Reservations[].Instances[]` for one inside
    another; then `key` and `outer_filters` are of the outer one. `replay` looks at an answer before it is given again to its
    client token. `complete` gives the parameters with those that they refer to (a launch template's), by AWS's names. With
    `own_pages` the function makes the page that `call.most` and `call.next_token` ask for: of two lists, or in another order.
    `prepare` makes of the parameters, by AWS's names, what takes long and needs no state, so that other writers need not wait
    for it: it comes before the transaction, and the function finds it in `call.prepared`.
    """

    def declare(function: Callable[..., Answer]) -> Callable[..., Answer]:
        service = function.__module__.split(".")[2]
        name = model.service(service).named(function.__name__)
        declare_as(
            OperationDef(service, name, function, items, key, filters, outer_filters, tags, replay, complete, own_pages, prepare)
        )
        return function

    return declare


def declare_as(found: OperationDef) -> None:
    """Declare an operation. Raises TypeError for one that another file has declared."""
    there, module = _declared.setdefault(found.service, {}), found.function.__module__
    if found.name in there and there[found.name].function.__module__ != module:
        raise TypeError(f"{found.name} is declared in {there[found.name].function.__module__} and in {module}")
    there[found.name] = found


_declared: dict[str, dict[str, OperationDef]] = {}


def _package(service: str) -> ModuleType:
    """The folder of a service. Raises KeyError."""
    try:
        return importlib.import_module(f"minicloud.services.{service}")
    except ModuleNotFoundError as error:
        raise KeyError(service) from error


def _declaration(service: str, name: str) -> OperationDef | None:
    """One operation, by importing only the file that has a function of its name: a command needs no others."""
    package = _package(service)
    if name not in _declared.get(service, {}):
        wanted = f"\ndef {model.xform_name(name)}("
        for folder in package.__path__:
            for path in sorted(Path(folder).glob("*.py")):
                if wanted in path.read_text("utf-8"):
                    importlib.import_module(f"{package.__name__}.{path.stem}")
    if name not in _declared.get(service, {}) and any((Path(folder) / f"{EMPTY}.py").exists() for folder in package.__path__):
        importlib.import_module(f"{package.__name__}.{EMPTY}")
    return _declared.get(service, {}).get(name)


@functools.cache
def operations(service: str) -> Mapping[str, OperationDef]:
    """All operations that a service has here, by AWS's names. Raises KeyError for a service that is not there."""
    package = _package(service)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return _declared.get(service, {})


def services() -> list[str]:
    """The services that are there."""
    package = importlib.import_module("minicloud.services")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if module.ispkg)


def find(service: str, name: str) -> OperationDef:
    """The operation of AWS's name. Raises ApiError: UnsupportedOperation, or InvalidAction for none of AWS's."""
    found = _declaration(service, name) or operations(service).get(name)
    if found is not None:
        return found
    if name in model.service(service).operation_names:
        raise ApiError("UnsupportedOperation", f"minicloud does not have {name}")
    raise refusals.of(model.service(service)).action(name)


def call(
    cloud: Cloud, service: str, name: str, params: Mapping[str, Any], *, caller: Caller | None = None, request_id: str = ""
) -> Answer:
    """Carry a request out and return its answer, both in AWS's names and without transport. Raises ApiError."""
    found = find(service, name)
    authorize(caller, service, name)
    given, passed_over = checked(found, params, cloud.settings)
    request = Call(cloud, found, request_id or secrets.token_hex(16), given.get("ClientToken", ""), caller)
    request.passed_over = passed_over
    request.most, request.next_token = page_rules.asked(given), given.get("NextToken", "")
    if len(request.client_token) > MOST_TOKEN and len(request.client_token) > (most := found.longest_token):
        raise ApiError("InvalidParameterValue", f"Client token must be less than or equal to {most} characters.")
    request.wanted_tags = tags.by_type(given.get("TagSpecifications", ()), found.tags)
    select = _selector(cloud, found, given.get(found.filter_member, ()))
    page_rules.check(found.model, given)
    cloud.worker.admit(reads=found.reads)
    _prepare(cloud, service)
    cloud.worker.refresh(name)
    request.prepared = found.prepare(given) if found.prepare else None
    with cloud.state.transaction(write=not found.reads):
        answer = _replayed(request, given)
        if given.get("DryRun"):
            raise ApiError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
    if request.touched:
        cloud.worker.work(request.touched)
    return _paged(found, select(answer), given)


def checked(found: OperationDef, params: Mapping[str, Any], settings: Settings) -> tuple[dict[str, Any], list[str]]:
    """The parameters that the operation acts on, and the paths of those that ask for nothing of what is not here.

    Raises ApiError for what AWS's model does not allow, and for what minicloud does not have.
    """
    given = empties.without(found.model, {key: value for key, value in params.items() if value is not None})
    validate.validate(found.model, given)
    supported = harmless.Supported({"account": settings.account_id, "region": settings.region})
    try:
        return supported.of(found.model.input, found.parameters, given), supported.passed_over
    except harmless.Unsupported as refused:
        text = f"minicloud does not support the parameter {refused} of {found.name}"
        raise ApiError("UnsupportedOperation", text) from None


def _prepare(cloud: Cloud, service: str) -> None:
    """What a service needs to have before its first request, once for each Cloud."""
    if service not in cloud.prepared:
        getattr(importlib.import_module(f"minicloud.services.{service}"), "prepare", lambda _: None)(cloud)
        cloud.prepared.add(service)


def _replayed(request: Call, given: dict[str, Any]) -> Answer:
    """Run the function, or give the answer again that this client token got before."""
    token = request.client_token
    if not token:
        return _run(request, given)
    rest = {key: value for key, value in given.items() if key not in ("ClientToken", "DryRun")}
    digest = hashlib.sha256(json.dumps(rest, sort_keys=True, default=repr).encode()).hexdigest()
    scope, tokens = f"{request.operation.service}:{request.operation.name}", request.cloud.state.client_tokens
    now = times.seconds(request.now)
    before = tokens.get(scope, token)
    if before is not None and times.over(before.created, TOKEN_KEPT, now):
        tokens.remove(scope, token)
        before = None
    if before is None:
        answer = _run(request, given)
        tokens.add(ClientToken(scope, token, digest, answer, request.now))
        return answer
    if before.digest != digest:
        word = "parameters" if request.operation.name in SAYS_PARAMETERS else "arguments"
        raise ApiError(
            "IdempotentParameterMismatch",
            f"{word.title()} on this idempotent request are inconsistent with {word} used in previous request(s).",
        )
    if request.operation.replay is not None:
        request.operation.replay(request, before.answer)
    return before.answer


def _run(request: Call, given: dict[str, Any]) -> Answer:
    """The function itself, with the parameters by our names."""
    complete = request.operation.complete
    whole = complete(request, given) if complete else given
    return request.operation.function(request, **{model.xform_name(key): whole[key] for key in whole if key not in CENTRAL})


def rehearse(call: Call, service: str, name: str, params: Mapping[str, Any]) -> None:
    """Refuse, as an operation itself would, what `call` is about to have done later; nothing of it is kept. Raises ApiError."""
    found = find(service, name)
    authorize(call.caller, service, name)
    given, _ = checked(found, params, call.cloud.settings)
    request = Call(call.cloud, found, call.request_id, caller=call.caller, now=call.now)
    with call.cloud.state.part(keep=False):
        _run(request, given)


def _selector(cloud: Cloud, found: OperationDef, filters: Sequence[Mapping[str, Any]]) -> Callable[[Answer], Answer]:
    """What keeps of an answer only the items that match. Raises ApiError for a filter that there is not."""
    if not filters:
        return lambda answer: answer
    outer, _, inner = (part.removesuffix("[]") for part in found.items.partition("[]."))
    words = refusals.of(found.model.service)

    def compiled(entries: list[Mapping[str, Any]], paths: FilterPaths) -> Callable[[Any], bool]:
        declared = {name: functools.partial(path, cloud) if callable(path) else path for name, path in paths.items()}
        return aws_filters.compile_filters(entries, declared, words, found.documented_filters if entries else frozenset())

    of_outer = [entry for entry in filters if entry.get("Name") in found.outer_filters]
    whole = compiled(of_outer, found.outer_filters)
    matches = compiled([entry for entry in filters if entry not in of_outer], found.filters)

    def select(answer: Answer) -> Answer:
        if not outer:
            return answer
        items = [item for item in answer[outer] if whole(item)]
        if inner:
            items = [{**item, inner: kept} for item in items if (kept := [part for part in item[inner] if matches(part)])]
        else:
            items = [item for item in items if matches(item)]
        return {**answer, outer: items}

    return select


def _paged(found: OperationDef, answer: Answer, given: dict[str, Any]) -> Answer:
    """The page of an answer that was asked for."""
    if not found.key:
        return answer
    outer = found.items.partition("[].")[0].removesuffix("[]")

    def key(item: Any) -> str:
        # Numbers in ten digits, so that texts stand in their order.
        return " ".join(format(item[part], "010" if isinstance(item[part], int) else "") for part in found.key.split())

    shown, token = page_rules.page_of(found.model, answer[outer], key, given)
    return {**answer, outer: shown, **({"NextToken": token} if token else {})}


def named(table: Table[Row], kind: str, identifier: str) -> Row:
    """The row of an identifier of `kind`. Raises ApiError (…Malformed, …NotFound)."""
    ids.check(kind, [identifier])
    found = table.get(identifier)
    if found is None:
        raise ids.not_found(kind, [identifier])
    return found


def require(kind: str, wanted: Iterable[str], found: Mapping[str, Any]) -> None:
    """Refuse identifiers of `kind` that `found` does not have. Raises ApiError (…NotFound)."""
    if missing := [identifier for identifier in wanted if identifier not in found]:
        raise ids.not_found(kind, missing)
