"""The list of all pages of the console."""

from __future__ import annotations

from typing import Any

from console.pages import alerts as pages_alerts
from console.pages import loop as pages_loop
from console.pages import sign_in as pages_session
from console.pages import tasks as pages_tasks

__all__ = ["page_handlers"]


def page_handlers() -> list[Any]:
    """The route handlers of all pages."""
    return [
        pages_session.get_root,
        pages_session.get_sign_in,
        pages_session.post_sign_in,
        pages_session.post_sign_out,
        pages_tasks.get_queue,
        pages_tasks.get_work,
        pages_tasks.get_waiting,
        pages_tasks.get_task_page,
        pages_tasks.post_answer,
        pages_tasks.post_skip_form,
        pages_tasks.post_take_back,
        pages_alerts.get_alerts,
        pages_alerts.get_alert_page,
        pages_alerts.post_acknowledge,
        pages_alerts.post_resolve,
        pages_alerts.get_report,
        pages_loop.get_loop,
    ]
