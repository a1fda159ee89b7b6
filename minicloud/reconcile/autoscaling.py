"""Auto Scaling: observe all groups, plan for each, carry out. What one group cannot have keeps no other from what it needs.

What it asks of EC2, load balancers and CloudWatch, it asks by the operations that a user has, and so only records wishes:
their own reconcilers fulfil them, in the same pass.
"""

import copy
import time
from collections.abc import Iterable

from ..cloud import Cloud, Idle
from . import autoscaling_metrics, autoscaling_schedule, autoscaling_tell, isolation
from .autoscaling_actions import Action, Launch
from .autoscaling_execute import execute
from .autoscaling_look import views
from .autoscaling_plan import plan
from .autoscaling_view import View

_LONGEST = 20.0
"""Seconds after which an action that failed is tried again, at the latest."""


def reconcile(cloud: Cloud) -> bool:
    """One round over all groups; whether anything was done."""
    now = time.time()
    quiet = copy.copy(cloud)
    quiet.worker = Idle()
    acted = isolation.stage(cloud, "scheduled actions", lambda: autoscaling_schedule.reconcile(quiet, now))
    looked = views(quiet, now)
    acted |= _carry_out(quiet, looked)
    isolation.stage(cloud, "metrics of groups", lambda: autoscaling_metrics.put(quiet, looked, now))
    return acted


def _carry_out(cloud: Cloud, looked: Iterable[View]) -> bool:
    """Plan for each group, and carry each action out by itself: one that fails keeps no other of its group waiting."""
    planned: list[tuple[str, tuple[View, Action]]] = []

    def see_to(view: View) -> None:
        with isolation.recorded(lambda error: autoscaling_tell.cannot_be_planned(cloud, view, error.message)):
            planned.extend((_about(view, action), (view, action)) for action in plan(view))

    isolation.each(cloud, "groups", [(view.group.name, view) for view in looked], see_to)
    return isolation.each(cloud, "actions of groups", planned, lambda one: execute(cloud, *one), longest=_LONGEST)


def _about(view: View, action: Action) -> str:
    """What an action is known by when it fails: its group, its kind, and the instance or the place that it is about."""
    what = action.place.subnet_id if isinstance(action, Launch) else getattr(action.row, "instance_id", "")
    return f"{view.group.name} {type(action).__name__} {what}".strip()
