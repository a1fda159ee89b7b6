"""Credentials of instances' roles, as the metadata service gives them out: those of STS, the same ones until they are to end.

They are kept in memory only. A daemon that was restarted makes others; those that guests have stay good until their time.
"""

import json
import threading
import time
from collections.abc import Callable

from ..aws import times
from ..cloud import Cloud
from ..services.sts import sessions

RENEW = 3600.0
"""Seconds before the end of credentials at which others take their place; guests ask for new ones later than that."""


class Credentials:
    """Those of all instances."""

    def __init__(self, cloud: Cloud, clock: Callable[[], float] = time.time) -> None:
        self._cloud, self._clock = cloud, clock
        self._kept: dict[tuple[str, str], tuple[float, str]] = {}
        self._lock = threading.Lock()

    def of(self, instance_id: str, role: str) -> str:
        """The document of an instance with this role, as JSON."""
        now = self._clock()
        with self._lock:
            until, text = self._kept.get((instance_id, role), (0.0, ""))
            if until <= now:
                until, text = self._make(instance_id, now)
                self._kept = {key: kept for key, kept in self._kept.items() if kept[0] > now}
                self._kept[instance_id, role] = until, text
            return text

    def _make(self, instance_id: str, now: float) -> tuple[float, str]:
        found = sessions.of_guest(self._cloud, instance_id, now)
        if found is None:  # the profile has gone in this moment
            return now, json.dumps(
                {"Code": "AssumeRoleUnauthorizedAccess", "LastUpdated": times.whole(times.text(now))}, indent=2
            )
        made = found[1]
        document = {
            "Code": "Success",
            "LastUpdated": times.whole(times.text(now)),
            "Type": "AWS-HMAC",
            "AccessKeyId": made["AccessKeyId"],
            "SecretAccessKey": made["SecretAccessKey"],
            "Token": made["SessionToken"],
            "Expiration": times.whole(made["Expiration"]),
        }
        return times.seconds(made["Expiration"]) - RENEW, json.dumps(document, indent=2)
