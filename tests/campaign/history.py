"""One history: steps that follow from a seed, and what must hold after each.

A step is a request by one client or by several at once, a request or a pass that is killed or meets trouble, an accident of
the host, or a clock that is set. Guests write between the steps. Every few steps the cloud comes to rest, and all is checked;
in the end everything is deleted, and nothing may be left.
"""

import sqlite3
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from minicloud import api
from minicloud.cloud import Cloud
from minicloud.errors import ApiError
from minicloud.reconcile import loop

from .. import processes
from ..storage.older import keep
from . import checks, clearing, faults, operations, states
from .determinism import Chance, Clock
from .grounds import ACCIDENTS, Ground
from .model import BLOCKS, Model
from .operations import Choice, Maker, Request

KINDS = {
    "request": 50, "trouble": 22, "together": 10, "pass in trouble": 6, "accident": 8, "clock": 4, "older state": 7,
    "second home": 2,
}  # fmt: skip
_MOST_PASSES = 40
_MOST_PASSES_SLOW = 500


class Broken(AssertionError):
    """Something did not hold."""


@dataclass(frozen=True)
class Answer:
    """What a client got: `kind` is answer, refused (with a code), or nothing, if its command was killed or the disk was full."""

    kind: str
    body: Any = None


@dataclass
class History:
    """The history of one seed. `play` is its only use."""

    ground: Ground
    seed: str
    clock: Clock
    chance: Chance
    makers: list[tuple[int, Maker]]
    alone: bool = False
    """One client only: then everything follows from the seed, and the history can be played again to the letter."""
    model: Model = field(default_factory=Model)
    log: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = Random(f"steps {self.seed}")  # noqa: S311
        self._serial = 0
        self._generation = -1
        """Of the copy of the state; -1 where there is none."""

    def play(self, steps: int) -> None:
        """Raises Broken, with the last steps, where something does not hold, or is not foreseen at all."""
        try:
            self._play(steps)
        except Broken:
            raise
        except Exception as error:
            raise self._broken([f"unforeseen: {error}", *traceback.format_exception(error)]) from error

    def _play(self, steps: int) -> None:
        self._settle()
        before = clearing.files(self.ground.open())
        for number in range(steps):
            self._step(number)
        self._settle()
        clearing.clear(self.ground, self._ask_until_done, self._settle)
        self._hold("everything is deleted", clearing.left(self.ground, self._age, before))

    def _step(self, number: int) -> None:
        kind = self.random.choices(list(KINDS), list(KINDS.values()))[0]
        if self.alone and kind == "together":
            kind = "request"
        self.counts["steps"] += 1
        self._write()
        happen: dict[str, Callable[[], None]] = {
            "request": self._request, "trouble": self._trouble, "together": self._together, "pass in trouble": self._hurt_pass,
            "accident": self._accident, "clock": self._set_clock, "older state": self._older_state,
            "second home": self._second_home,
        }  # fmt: skip
        happen[kind]()
        self._write()
        cloud = self.ground.open()
        self._hold("no two have the same", checks.doubled(cloud))
        self._hold("snapshots read as they should", checks.learn(cloud, self.ground, self.model))
        spec = self.ground.enforced()
        if spec is not None:
            self._hold("closed ports stay closed", checks.enforced(spec, self.model))
        if number % 3 == 2 or self.random.random() < 0.2:
            self._settle()

    def _choose(self) -> Request | None:
        """A request, or None after a few vain tries."""
        for _ in range(6):
            self._serial += 1
            make = self.random.choices([maker for _, maker in self.makers], [weight for weight, _ in self.makers])[0]
            request = make(Choice(self.ground.open(), self.random, self.ground.image, self._serial, self.ground.slow))
            if request is not None:
                return request
        return None

    def _request(self) -> None:
        if (request := self._choose()) is not None:
            self._begin(request)
            self._end(request, _ask(self.ground.open(), request))

    def _trouble(self) -> None:
        """In a process of its own, which may be killed."""
        request, trouble = self._choose(), faults.trouble(self.random)
        if request is None:
            return
        self._begin(request, f", {trouble}")
        self._end(request, self._apart([request], trouble)[0])

    def _together(self) -> None:
        """Several clients at once, each a process."""
        requests = [request for _ in range(self.random.randint(2, 3)) if (request := self._choose()) is not None]
        for request in requests:
            self._begin(request, ", at the same time")
        for request, answer in zip(requests, self._apart(requests, None), strict=True):
            self._end(request, answer)

    def _hurt_pass(self) -> None:
        trouble = faults.trouble(self.random)
        self._say(f"a pass, {trouble}")

        def task() -> None:
            self.chance.reseed(f"{self.seed} pass {self.counts['steps']}")
            cloud = self.ground.open()
            trouble.befall(cloud, self.random)
            loop.run_pass(cloud, look=True)

        (outcome,) = processes.together(task)
        self._count_trouble(trouble, outcome)
        if outcome.error and outcome.error != "the process died":
            raise self._broken([f"a pass ended: {outcome.error}"])

    def _apart(self, requests: list[Request], trouble: faults.Trouble | None) -> list[Answer]:
        def task(number: int, request: Request) -> Answer:
            self.chance.reseed(f"{self.seed} {self._serial} {number}")
            cloud = self.ground.open()
            if trouble is not None:
                trouble.befall(cloud, self.random)
            return _ask(cloud, request)

        tasks = [lambda number=number, request=request: task(number, request) for number, request in enumerate(requests)]
        outcomes = processes.together(*tasks)  # type: ignore[arg-type]
        for outcome in outcomes:
            if trouble is not None:
                self._count_trouble(trouble, outcome)
            if outcome.error and not (outcome.error == "the process died" and trouble and trouble.kind == "killed"):
                raise self._broken([f"a request ended: {outcome.error}"])
        return [outcome.value if not outcome.error else Answer("nothing") for outcome in outcomes]

    def _count_trouble(self, trouble: faults.Trouble, outcome: processes.Outcome) -> None:
        self.counts["kills" if trouble.kind == "killed" and outcome.error == "the process died" else trouble.kind] += 1

    def _accident(self) -> None:
        what = self.random.choice(ACCIDENTS)
        self._say(what)
        self.counts["accidents"] += 1
        self.ground.accident(self.ground.open(), what, self.random.randrange(2))

    def _set_clock(self) -> None:
        seconds = self.random.choice(faults.JUMPS)
        self._say(f"the clock is set by {seconds:g} s")
        self.counts["clock"] += 1
        self.clock.set_by(seconds)

    def _older_state(self) -> None:
        """The first time a copy is made; it is put in the state's place when the disks have gone on."""
        copy, cloud = self.ground.spare() / "older.sqlite", self.ground.open()
        if self._generation < 0:
            self._say("the state is copied")
            copy.unlink(missing_ok=True)
            keep(cloud, copy)
            self._generation = cloud.state.identity.generation
            return
        if not states.is_older(cloud, self._generation):
            return
        self._say(f"an older state, of {self._generation} changes, is put there, and the newer one back")
        self.counts["older states"] += 1
        requests = [request for _ in range(3) if (request := self._choose()) is not None]
        self._hold("an older state changes nothing", states.refused(self.ground, copy, requests))
        if (again := self.ground.again()) is not None:
            self._say("and it is adopted, on a copy of the host")
            self.counts["adoptions"] += 1
            merged = self.random.random() < 0.5
            self._hold("an older state that is adopted loses nothing", states.adopted(again, copy, self.model, merged=merged))
        self._generation = -1 if self.random.random() < 0.5 else self._generation

    def _second_home(self) -> None:
        self._say("another home is used on the host")
        self.counts["second homes"] += 1
        look = Choice(self.ground.open(), self.random, self.ground.image, 0, self.ground.slow)
        self._hold("another home changes nothing", states.second_home(self.ground, operations.of_another(look)))

    def _write(self) -> None:
        """Guests write to some of their volumes."""
        cloud = self.ground.open()
        for volume_id in [row.id for row in cloud.state.volumes.query("instance_id != ''") if row.id in self.model.volumes]:
            if self.random.random() < 0.3:
                block, number = self.random.randrange(BLOCKS), self.model.next_number()
                if self.ground.write(cloud, volume_id, block, number):
                    self.model.write(volume_id, block, number)

    def _begin(self, request: Request, how: str = "") -> None:
        self._say(f"{request}{how}")
        self.counts["requests"] += 1
        if request.operation.startswith(("Delete", "Deregister")):
            self.model.doomed |= set(request.about)
        if request.rule is not None:
            self.model.unsure.setdefault(request.about[0], set()).add(request.rule)

    def _end(self, request: Request, answer: Answer) -> None:
        self._say(f"  -> {answer.kind} {answer.body if answer.kind == 'refused' else ''}")
        self.counts[answer.kind] += 1
        if answer.kind == "refused" and answer.body not in operations.REFUSALS:
            raise self._broken([f"{request} was refused with {answer.body}"])
        if answer.kind == "answer":
            self.model.answered(request.operation, request.about, request.rule, answer.body)

    def _ask_until_done(self, request: Request) -> None:
        answer = _ask(self.ground.open(), request)
        if answer.kind != "answer":
            raise self._broken([f"{request} at the end: {answer}"])

    def _age(self, seconds: float) -> None:
        self.clock.pass_by(seconds)
        loop.run_pass(self.ground.open(), look=True)

    def _settle(self) -> None:
        """Passes, with time going by, until two have changed nothing; then all is checked."""
        quiet, problems = 0, [""]
        for _ in range(_MOST_PASSES_SLOW if self.ground.slow else _MOST_PASSES):
            before = clearing.picture(self.ground.open())
            loop.run_pass(self.ground.open(), look=True)
            self.ground.finish_jobs(self.ground.open())
            self._wait()
            quiet = quiet + 1 if clearing.picture(self.ground.open()) == before else 0
            if quiet >= 2:
                cloud = self.ground.open()
                problems = [*checks.at_rest(cloud), *checks.scaling(cloud)]
                if not problems:
                    break
        self._hold("the cloud comes to rest", problems)
        cloud = self.ground.open()
        self._hold("bytes", checks.bytes_of(cloud, self.ground, self.model))
        self._hold("rules", checks.rules(cloud, self.model))
        self.model.checked()

    def _wait(self) -> None:
        """Time goes by."""
        if self.ground.slow:
            time.sleep(0.3)
        else:
            self.clock.pass_by(31.0)

    def _say(self, text: str) -> None:
        self.log.append(text)

    def _hold(self, what: str, problems: Iterable[str]) -> None:
        if found := [problem for problem in problems if problem]:
            raise self._broken([f"{what}:", *found])

    def _broken(self, problems: list[str]) -> Broken:
        where = f"seed {self.seed}, step {self.counts['steps']}"
        return Broken("\n".join([where, *problems, "the last steps:", *self.log[-24:]]))


def _ask(cloud: Cloud, request: Request) -> Answer:
    try:
        return Answer("answer", api.call(cloud, request.service, request.operation, request.params))
    except ApiError as error:
        return Answer("refused", error.code)
    except sqlite3.OperationalError as error:
        if "full" not in str(error):
            raise
        return Answer("nothing")
