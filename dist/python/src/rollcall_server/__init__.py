"""Starts Rollcall, a server for the User Profiles API, for the length of a test run, and steers it.

With pytest nothing here has to be imported: the fixtures of `rollcall_server.pytest_plugin` are there once the package
is installed. Elsewhere `start()` starts a server:

    with rollcall_server.start() as rollcall:
        tenant = rollcall.tenant()
        client = Anthropic(base_url=tenant.base_url, api_key=tenant.api_key)
"""

from ._server import Clock, Faults, Rollcall, RollcallError, Tenant, binary, start
from ._webhooks import EVENT_TYPES, Delivery, WebhookReceiver

__all__ = [
    "EVENT_TYPES",
    "Clock",
    "Delivery",
    "Faults",
    "Rollcall",
    "RollcallError",
    "Tenant",
    "WebhookReceiver",
    "binary",
    "start",
]
