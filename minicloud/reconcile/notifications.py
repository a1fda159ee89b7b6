"""Messages to topics: a row each, delivered by the daemon, tried again for an hour.

- A message is delivered at least once: killed between the sending and the note of it, the daemon sends it again, with the same
  MessageId, by which a receiver knows it. A webhook gets what SNS posts to an HTTP endpoint (no signature: there is no AWS to
  sign it); a command gets the same document on its standard input.
- Each topic has a thread of its own while it has something to send: one that is dead, or slow, holds up nobody else. An attempt
  that took long counts for all that waits for the topic, so that nothing waits for longer than its own hour.
- Of a topic as many messages wait as `MOST_WAITING`; beyond that the oldest goes, as one that could not be delivered.
"""

import json
import logging
import sqlite3
import threading
import time
from typing import Any

from ..aws import times
from ..cloud import Cloud
from ..errors import Retry
from ..metrics import alarm_states
from ..state.rows_cloudwatch import Notification
from ..topics import Topic
from . import isolation

log = logging.getLogger(__name__)

PAUSES = (5.0, 20.0, 60.0, 300.0, 900.0, 2400.0)
"""Seconds before each further attempt; after the last one a message is given up."""
MOST_WAITING = 1000
SLOW = 10.0
"""Seconds: a topic that takes longer to fail is not asked again for each message that waits."""


def queue(cloud: Cloud, topic: str, subject: str, message: dict[str, Any], *, alarm: str = "") -> None:
    """Send a message to the topic of an ARN, inside the caller's transaction."""
    waiting = cloud.state.notifications.query("topic = ?", [topic]) if _count(cloud, topic) >= MOST_WAITING else []
    for row in waiting[: len(waiting) + 1 - MOST_WAITING]:
        log.warning("more than %d messages wait for %s: the oldest, %s, is dropped", MOST_WAITING, topic, row.id)
        _done(cloud, row, times.seconds(times.now()), f"More than {MOST_WAITING} messages wait for the topic: {row.reason}")
    cloud.state.notifications.add(Notification.of(topic, subject, message, times.now(), alarm=alarm))


def _count(cloud: Cloud, topic: str) -> int:
    return sum(cloud.state.notifications.counts(["topic"], "topic = ?", [topic]).values())


def _due(cloud: Cloud, now: float) -> dict[str, list[Notification]]:
    """What is to be sent now, by topic: what was tried least first."""
    found: dict[str, list[Notification]] = {}
    for row in cloud.state.notifications.query(order="attempts, rowid"):
        if not row.due or times.due(row.due, PAUSES[-1], now):
            found.setdefault(row.topic, []).append(row)
    return found


def deliver(cloud: Cloud, now: float) -> bool:
    """Send what is due, one topic after the other; whether anything was."""
    due = _due(cloud, now)
    for rows in due.values():
        _deliver(cloud, rows, now)
    return bool(due)


class Deliveries:
    """The daemon's: a thread for each topic that has something to send."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._threads: dict[str, threading.Thread] = {}

    def step(self, now: float) -> None:
        """Begin to send what is due, but for topics that are still at it."""
        self._threads = {topic: thread for topic, thread in self._threads.items() if thread.is_alive()}
        for topic, rows in _due(self._cloud, now).items():
            if topic not in self._threads:
                thread = threading.Thread(target=self._run, args=(rows, now), name=f"topic {topic}", daemon=True)
                self._threads[topic] = thread
                thread.start()

    def _run(self, rows: list[Notification], now: float) -> None:
        try:
            _deliver(self._cloud, rows, now)
        except sqlite3.OperationalError as error:
            log.warning("messages: the state cannot be written: %s", error)
        finally:
            self._cloud.state.close()


def _deliver(cloud: Cloud, rows: list[Notification], now: float) -> None:
    """Send messages of one topic, in their order. Each failure is recorded in its row, the last one in its alarm's history."""
    name, began, slow = rows[0].topic.rpartition(":")[2], time.monotonic(), list[str]()
    topic = cloud.settings.topics.get(name)

    def see_to(row: Notification) -> None:
        if topic is None:
            _failed(cloud, row, f"no topic {name} is configured", _at(now, began), last=True)
            return
        last = row.attempts >= len(PAUSES)
        with isolation.recorded(lambda error: _failed(cloud, row, error.message, _at(now, began), last=last)):
            _attempt(cloud, topic, row, slow)
        _done(cloud, row, _at(now, began))

    ids = [row.id for row in cloud.state.notifications.query()]
    isolation.each(cloud, "messages", [(row.id, row) for row in rows], see_to, keep=ids, at_once=ids)


def _at(now: float, began: float) -> float:
    return now + time.monotonic() - began


def _attempt(cloud: Cloud, topic: Topic, row: Notification, slow: list[str]) -> None:
    """Send a message, unless the topic has just taken long to fail: then this one has failed, too."""
    if slow:
        raise Retry(slow[0])
    began = time.monotonic()
    try:
        _send(cloud, topic, row)
    except Exception as error:
        if time.monotonic() - began > SLOW:
            slow.append(str(error))
        raise


def _send(cloud: Cloud, topic: Topic, row: Notification) -> None:
    document = {
        "Type": "Notification",
        "MessageId": row.id,
        "TopicArn": row.topic,
        "Subject": row.subject,
        "Message": row.message,
        "Timestamp": row.created,
    }
    body = json.dumps(document).encode()
    if topic.command:
        cloud.host.messages.run(topic.command, body)
    if topic.webhook:
        headers = {
            "Content-Type": "text/plain; charset=UTF-8",
            "x-amz-sns-message-type": "Notification",
            "x-amz-sns-message-id": row.id,
            "x-amz-sns-topic-arn": row.topic,
        }
        cloud.host.messages.post(topic.webhook, body, headers)


def _failed(cloud: Cloud, row: Notification, why: str, now: float, *, last: bool) -> bool:
    """Put a message off, or give it up: whether that was the end of it."""
    if last:
        log.warning("the message %s to %s is given up: %s", row.id, row.topic, why)
        _done(cloud, row, now, why)
        return True
    due = times.text(now + PAUSES[row.attempts])
    cloud.state.notifications.change(row.id, attempts=row.attempts + 1, due=due, reason=why)
    return False


def _done(cloud: Cloud, row: Notification, now: float, failure: str = "") -> None:
    """The end of a message, told in the history of the alarm that it is of."""
    with cloud.state.transaction():
        cloud.state.notifications.remove(row.id)
        alarm = cloud.state.alarms.get(row.alarm) if row.alarm else None
        if alarm is None:
            return
        data = {"actionState": "Succeeded", "notificationResource": row.topic, "publishedMessage": row.message}
        summary = f"Successfully executed action {row.topic}"
        if failure:
            data |= {"actionState": "Failed", "error": failure}
            summary = f'Failed to execute action {row.topic}. Received error: "{failure}"'
        alarm_states.note(cloud, alarm, "Action", summary, data, at=times.text(now))
