"""Topics that are dead or slow: they hold up nobody else, for no longer than an hour, and are told of."""

import dataclasses
import http.server
import threading
import time
from collections.abc import Iterator, Mapping, Sequence

import pytest

from minicloud.cli import doctor_upkeep, status
from minicloud.errors import Retry
from minicloud.host.messages import LocalMessages
from minicloud.reconcile import notifications
from minicloud.topics import Topic

from ..waits import until
from .world import World

ARN = "arn:aws:sns:us-east-1:000000000000:"


class Messages:
    """A host whose webhook `dead` answers when it is let go, and whose others answer at once."""

    def __init__(self) -> None:
        self.gate, self.sent, self.tried = threading.Event(), list[str](), 0

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:  # noqa: ARG002
        if "dead" in url:
            self.tried += 1
            assert self.gate.wait(60)
            raise Retry("it does not answer")
        self.sent.append(url)

    def run(self, command: Sequence[str], body: bytes) -> None:  # noqa: ARG002
        self.sent.append(command[0])


@pytest.fixture
def messages(world: World) -> Iterator[Messages]:
    found = Messages()
    world.cloud.host = dataclasses.replace(world.cloud.host, messages=found)
    hooks = {name: Topic(webhook=f"https://{name}.example/") for name in ("dead", "ops", "chat")}
    world.cloud.settings = dataclasses.replace(world.cloud.settings, topics={**hooks, "pager": Topic(command=("/bin/page",))})
    yield found
    found.gate.set()


def queue(world: World, topic: str) -> None:
    with world.cloud.state.transaction():
        notifications.queue(world.cloud, ARN + topic, "s", {})


def waiting(world: World) -> list[str]:
    return [row.topic.removeprefix(ARN) for row in world.cloud.state.notifications.query()]


def test_a_dead_webhook_holds_up_its_own_topic_only(world: World, messages: Messages) -> None:
    deliveries = notifications.Deliveries(world.cloud)
    for _ in range(3):
        for topic in ("dead", "ops", "pager"):
            queue(world, topic)
    deliveries.step(time.time())
    until("the others are delivered", lambda: waiting(world) == ["dead"] * 3)
    queue(world, "chat")
    for _ in range(20):
        deliveries.step(time.time())
    until("the others are delivered", lambda: waiting(world) == ["dead"] * 3)
    assert messages.tried == 1, "one thread for it, whatever comes"
    assert sorted(messages.sent) == sorted(["https://ops.example/", "/bin/page"] * 3 + ["https://chat.example/"])
    messages.gate.set()
    until("all three were tried", lambda: {row.attempts for row in world.cloud.state.notifications.query()} == {1})
    (check,) = [one for one in doctor_upkeep.checks(world.cloud) if one.name == "topics"]
    assert "3 messages wait" in check.found
    assert "it does not answer" in check.found
    shown = status.status(status.gather(world.cloud))["Topics"]
    assert shown == [{"TopicArn": f"{ARN}dead", "Waiting": 3, "Reason": "it does not answer"}]


def test_a_slow_failure_counts_for_all_that_waits(world: World, messages: Messages, monkeypatch: pytest.MonkeyPatch) -> None:
    """None waits its turn behind others that fail, so each is given up within its own hour."""
    messages.gate.set()
    monkeypatch.setattr(notifications, "SLOW", -1.0)
    for _ in range(50):
        queue(world, "dead")
    now = time.time()
    for attempt in range(1, len(notifications.PAUSES) + 2):
        assert notifications.deliver(world.cloud, now)
        assert messages.tried == attempt
        now += notifications.PAUSES[min(attempt, len(notifications.PAUSES)) - 1] + 120  # of sending, on a busy machine
    assert waiting(world) == []
    assert now - time.time() < 2 * 3600


def test_what_waits_has_a_bound_and_the_oldest_goes(world: World, messages: Messages, monkeypatch: pytest.MonkeyPatch) -> None:
    del messages
    monkeypatch.setattr(notifications, "MOST_WAITING", 5)
    for _ in range(4):
        queue(world, "dead")
    first = [row.id for row in world.cloud.state.notifications.query()]
    queue(world, "ops")
    for _ in range(3):
        queue(world, "dead")
    rows = world.cloud.state.notifications.query("topic = ?", [f"{ARN}dead"])
    assert len(rows) == 5
    assert [row.id for row in rows][:2] == first[2:]


def test_the_daemon_ends_although_a_webhook_does_not_answer(world: World, messages: Messages) -> None:
    """Over real sockets: one that takes the connection and says nothing."""

    class Silent(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.tried += 1
            messages.gate.wait(60)

        def log_message(self, *_: object) -> None:
            """Silence."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    world.cloud.host = dataclasses.replace(world.cloud.host, messages=LocalMessages())
    hook = Topic(webhook=f"http://127.0.0.1:{server.server_address[1]}/")
    topics = {"dead": hook, "pager": Topic(command=("/bin/true",))}
    world.cloud.settings = dataclasses.replace(world.cloud.settings, topics=topics)
    for topic in ("dead", "pager"):
        queue(world, topic)
    deliveries = notifications.Deliveries(world.cloud)
    deliveries.step(time.time())
    until("the others are delivered", lambda: waiting(world) == ["dead"] and messages.tried == 1)
    assert all(one.daemon for one in threading.enumerate() if one.name.startswith("topic "))
    messages.gate.set()
    server.shutdown()
    server.server_close()
    until("the thread ends", lambda: not [one for one in threading.enumerate() if one.name.startswith("topic ")])
