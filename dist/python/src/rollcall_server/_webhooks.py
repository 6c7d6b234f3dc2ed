"""A webhook receiver on this machine that opens each delivery with the endpoint's secret and keeps it."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hmac
import http.server
import json
import queue
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

# What Rollcall emits.
EVENT_TYPES = (
    "user_profile.enforcement_action_opened",
    "user_profile.enforcement_action_resolved",
    "user_profile.program_status_updated",
)


@dataclasses.dataclass(frozen=True)
class Delivery:
    """A verified delivery. `headers` have lower-case names; `body` is what arrived, for a handler of your own."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The event: `type`, `id`, `created_at` and `data`."""
        event: dict[str, Any] = json.loads(self.body)
        return event

    @property
    def type(self) -> str:
        """The event's type, such as `user_profile.enforcement_action_opened`."""
        return str(self.event["data"]["type"])


class WebhookReceiver:
    """Collects the deliveries of one webhook endpoint.

    `url` is where it listens and `secret` the endpoint's; `deliveries` are all that arrived and were signed with it, in
    order of arrival, those of attempts that were answered with a failure included.
    """

    def __init__(self, register: Callable[[str], tuple[str, str]], unregister: Callable[[str], None]) -> None:
        self.deliveries: list[Delivery] = []
        self.secret = ""
        self._status = 204
        self._refused: list[str] = []
        self._waiting: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._unregister = unregister
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        try:
            self._endpoint, self.secret = register(self.url)
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> WebhookReceiver:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def next(self, timeout: float = 10.0) -> Delivery:
        """The next delivery that `next` has not returned yet; waits for it for at most `timeout` seconds."""
        try:
            return self._waiting.get(timeout=timeout)
        except queue.Empty:
            seen = f"; refused: {'; '.join(self._refused)}" if self._refused else ""
            raise TimeoutError(f"no webhook was delivered within {timeout:g} s{seen}") from None

    def answer_with(self, status: int) -> None:
        """Answers later deliveries with this status. 204 at first; anything but a 2xx makes Rollcall try again."""
        self._status = status

    def stop(self) -> None:
        """Takes the endpoint away and stops listening."""
        self._unregister(self._endpoint)
        self._close()

    def _close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, headers: Mapping[str, str], body: bytes) -> int:
        why = _wrong(headers, body, self.secret)
        if why is not None:
            self._refused.append(why)
            return 401
        delivery = Delivery(headers, body)
        self.deliveries.append(delivery)
        self._waiting.put(delivery)
        return self._status

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        take = self._take

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # noqa: N802 - the name is the standard library's
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                status = take({name.lower(): value for name, value in self.headers.items()}, body)
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *values: object) -> None:
                pass

        return Handler


def _wrong(headers: Mapping[str, str], body: bytes, secret: str) -> str | None:
    """What is wrong with a delivery's signature, by Standard Webhooks.

    The timestamp's age is not judged: the server's clock is the test's to move.
    """
    try:
        signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
        signatures = headers["webhook-signature"].split(" ")
    except KeyError as missing:
        return f"a request without the header {missing}"
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return f"the secret {secret!r} is not whsec_ and base64"
    expected = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    if not any(hmac.compare_digest(expected.encode(), signature.encode()) for signature in signatures):
        return f"the delivery {headers['webhook-id']} is not signed with this endpoint's secret"
    return None
