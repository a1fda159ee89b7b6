"""Messages to topics: a row each, delivered by the daemon, tried again for an hour.

A message is delivered at least once: killed between the sending and the note of it, the daemon sends it again, with the same
MessageId, by which a receiver knows it. A webhook gets what SNS posts to an HTTP endpoint (no signature: there is no AWS to
sign it); a command gets the same document on its standard input.
"""

import json
import logging
from typing import Any

from ..aws import times
from ..cloud import Cloud
from ..errors import HostError
from ..metrics import alarm_states
from ..state.rows_cloudwatch import Notification
from ..topics import Topic

log = logging.getLogger(__name__)

PAUSES = (5.0, 20.0, 60.0, 300.0, 900.0, 2400.0)
"""Seconds before each further attempt; after the last one a message is given up."""


def queue(cloud: Cloud, topic: str, subject: str, message: dict[str, Any], *, alarm: str = "") -> None:
    """Send a message to the topic of an ARN, inside the caller's transaction."""
    cloud.state.notifications.add(Notification.of(topic, subject, message, times.now(), alarm=alarm))


def deliver(cloud: Cloud, now: float) -> bool:
    """Send what is due; whether anything was."""
    acted = False
    for row in cloud.state.notifications.query():
        if row.due and 0 <= times.seconds(row.due) - now < PAUSES[-1] * 2:
            continue
        acted = True
        name = row.topic.rpartition(":")[2]
        topic = cloud.settings.topics.get(name)
        if topic is None:
            _failed(cloud, row, f"no topic {name} is configured", now, last=True)
            continue
        try:
            _send(cloud, topic, row)
        except HostError as error:
            _failed(cloud, row, str(error), now, last=row.attempts >= len(PAUSES))
        except (OSError, ValueError) as error:  # one message must not keep the others waiting
            _failed(cloud, row, repr(error), now, last=row.attempts >= len(PAUSES))
        else:
            _done(cloud, row, now)
    return acted


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


def _failed(cloud: Cloud, row: Notification, why: str, now: float, *, last: bool) -> None:
    log.warning("the message %s to %s was not delivered: %s", row.id, row.topic, why)
    if last:
        _done(cloud, row, now, why)
        return
    due = times.text(now + PAUSES[row.attempts])
    cloud.state.notifications.change(row.id, attempts=row.attempts + 1, due=due)


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
