"""Commands made from AWS's model, each when it is asked for: `run-instances --image-id ami-...` calls RunInstances.

The words of the command line go their way in `Request`: flags and their words -> parameters over those of --cli-input-json ->
what is special about EC2 -> ids for names of images -> the call, page by page -> the printed answer. click gives the frame:
groups, help, completion.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from ..aws.model import Operation, xform_name
from ..errors import UsageError
from . import cloudwatch_flags, ec2_flags, image_names, values
from .flag_command import FlagCommand
from .flags import COMMON, PAGING, Flags, flags_of
from .parse import Words
from .session import Session

Params = dict[str, Any]
_TWISTS = {**ec2_flags.TWISTS, **cloudwatch_flags.TWISTS}


class OperationCommand(FlagCommand):
    """One operation of AWS's."""

    def __init__(self, service: str, operation: Operation) -> None:
        super().__init__(xform_name(operation.name, "-"))
        self.service = service
        self.operation = operation
        self.twist = _TWISTS.get((service, operation.name), ec2_flags.NONE)

    @functools.cached_property
    def flags(self) -> Flags:
        """Those of its parameters, its special ones, paging, and the common ones."""
        return flags_of(self.operation, self.twist.flags, self.twist.dropped)

    def needed(self, words: dict[str, Words]) -> list[str]:
        """Nothing that may still stand in an input file; an empty skeleton needs nothing."""
        inputs = {"cli-input-json", "cli-input-yaml"} & words.keys()
        empty = words.get("generate-cli-skeleton") in (True, "input", "yaml-input")
        return [] if inputs or empty else super().needed(words)

    def carry_out(self, session: Session, words: dict[str, Words]) -> None:
        """Call the operation and print its answer, or print a skeleton."""
        from . import output

        form = output.choose(_text(words, "output") or session.output)
        query = _text(words, "query") or session.query
        if kind := words.get("generate-cli-skeleton"):
            form = "yaml" if kind == "yaml-input" else "json" if form == "table" else form
            output.show(self._skeleton(kind, words), form, query)
            return
        output.show(Request(self, session, words).call(), form, query, operation=columns_key(self.service, self.operation.name))

    def _skeleton(self, kind: Words, words: dict[str, Words]) -> Params:
        from ..aws.validate import validate
        from . import skeleton

        if kind == "output":
            validate(self.operation, self.parameters(words))
            return skeleton.output_skeleton(self.operation)
        from .. import api

        return skeleton.input_skeleton(self.operation, api.find(self.service, self.operation.name).parameters)

    def parameters(self, words: dict[str, Words]) -> Params:
        """The parameters by AWS's names. Raises UsageError."""
        params = _input(words, self.operation)
        for name, given in words.items():
            flag = self.flags[name]
            if flag.member and given != []:  # AWS's protocol cannot say 'an empty list'
                params[flag.member] = values.convert(flag, given)
        self.twist.add(words, params)
        self.twist.finish(params)
        return params

    def get_short_help_str(self, limit: int = 45) -> str:
        """The first sentence of AWS's text."""
        from .helptext import first_sentence

        text = first_sentence(self.operation.documentation)
        return text if len(text) <= limit else text[: limit - 3].rstrip() + "..."

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The usage line, AWS's first sentence, the flags that are supported."""
        from .. import api
        from ..services.empty import EmptyList
        from . import helptext

        found = api.find(self.service, self.operation.name)
        supported = found.parameters
        own = {name: flag for name, flag in self.flags.items() if flag.member in supported or flag in self.twist.flags}
        paging = {name: flag for name, flag in self.flags.items() if flag in PAGING or name == "page-size"}
        common = {flag.name: flag for flag in COMMON}
        refused = len(set(self.operation.input) - supported.keys() - {"MinCount", "MaxCount"})
        self.format_usage(ctx, formatter)
        text = helptext.first_sentence(self.operation.documentation)
        note = f"Parameters of AWS's that minicloud refuses by name: {refused}." if refused else ""
        note = "There is nothing of this kind here: the list is empty." if isinstance(found, EmptyList) else note
        helptext.write(formatter, text, [("Flags", own), ("Pages", paging), ("For all commands", common)], note)


@dataclass
class Request:
    """A call on its way: pages, and the file that a new private key goes to."""

    command: OperationCommand
    session: Session
    words: dict[str, Words]

    def call(self) -> Params:
        """The answer. Raises CallFailed, UsageError."""
        params = image_names.resolved(self.session.call, self.command.service, self.command.parameters(self.words))
        if (path := _text(self.words, "save")) is None:
            return self._paged(params)
        from . import keys

        with keys.new_file(path) as file:
            answer = self._paged(params)
            file.write(str(answer.pop("KeyMaterial")).encode())
        keys.remember(str(answer["KeyName"]), file.path)
        return answer

    def _paged(self, params: Params) -> Params:
        operation = self.command.operation
        definition = operation.service.paginators.get(operation.name)
        wanted = {name: str(self.words[name]) for name in ("starting-token", "max-items", "page-size") if name in self.words}
        call = functools.partial(self.session.call, self.command.service, operation.name)
        by_hand = definition and {definition["input_token"], definition.get("limit_key")} & params.keys()
        paginate = bool(self.words.get("paginate", self.session.paginate)) and not by_hand
        if definition is None or not paginate:
            if definition and wanted:
                raise UsageError(f"--{next(iter(wanted))} does not go with --no-paginate or with pages asked for by hand")
            return call(params)
        from . import paginate as pages

        numbers = {name: pages.number(name, text) for name, text in wanted.items() if name != "starting-token"}
        asked = pages.Pages(wanted.get("starting-token"), numbers.get("max-items"), numbers.get("page-size"))
        return pages.collect(call, definition, params, asked)


def columns_key(service: str, name: str) -> str:
    """Under which name `columns` has what a table shows of an operation."""
    return name if service == "ec2" else f"{service}:{name}"


def _text(words: dict[str, Words], name: str) -> str | None:
    return str(words[name]) if name in words else None


def _input(words: dict[str, Words], operation: Operation) -> Params:
    """The parameters of --cli-input-json or --cli-input-yaml; empty without either."""
    given = [name for name in ("cli-input-json", "cli-input-yaml") if name in words]
    if not given:
        return {}
    if len(given) > 1:
        raise UsageError("--cli-input-json does not go with --cli-input-yaml")
    content = values.contents(str(words[given[0]]))
    loaded = values.load_json(_decoded(content)) if given[0] == "cli-input-json" else _yaml(content)
    if not isinstance(loaded, dict):
        raise UsageError(f"--{given[0]}: the parameters must be a {{...}} of names and values")
    return dict(values.fit(operation.input_shape, loaded, words=False)) if operation.input_shape else loaded


def _decoded(content: str | bytes) -> str:
    return content if isinstance(content, str) else content.decode(errors="replace")


def _yaml(content: str | bytes) -> Any:
    import yaml

    try:
        return yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise UsageError(f"this is not YAML: {' '.join(str(error).split())}") from error


def names(service: str) -> Sequence[str]:
    """The commands of a service: the operations that minicloud has, sorted."""
    from .. import api

    return sorted(xform_name(name, "-") for name in api.operations(service))
