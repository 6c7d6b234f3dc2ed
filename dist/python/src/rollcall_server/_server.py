"""A server of a run's own: started on a free port, steered over its operator API, and never left behind."""

from __future__ import annotations

import contextlib
import datetime
import functools
import importlib.metadata
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from types import TracebackType
from typing import IO, Any

from ._webhooks import EVENT_TYPES, WebhookReceiver

# Longest wait for one answer of the server, in seconds. Faults do not touch the operator API.
TIMEOUT = 30.0

# On this machine, whatever HTTP_PROXY says.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class RollcallError(Exception):
    """What Rollcall refused, or why it could not be started.

    `status` and `error_type` are those of the answer; None where there was none.
    """

    def __init__(self, message: str, status: int | None = None, error_type: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type


def binary() -> pathlib.Path:
    """The `rollcall` program that this package installed; else the first one on the path."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files("rollcall-server") or ():
            path = pathlib.Path(str(file.locate()))
            if file.name == "rollcall" and os.access(path, os.X_OK):
                return path.resolve()
    found = shutil.which("rollcall")
    if found is None:
        raise RollcallError("there is no `rollcall` program; `pip install --force-reinstall rollcall-server` brings it")
    return pathlib.Path(found)


def _spawn(command: Sequence[str], stderr: IO[bytes], directory: str | os.PathLike[str] | None) -> subprocess.Popen[bytes]:
    """Starts a server with `--exit-with-parent`: it ends with this process, even when this process is killed with SIGKILL.

    To end it, close `stdin`. The session of its own keeps a Ctrl-C of the test run from ending the server before the
    tests' teardowns have used it.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        cwd=directory,
        env={name: value for name, value in os.environ.items() if not name.startswith("ROLLCALL_")},
        start_new_session=True,
    )
    # A forked child holds the pipe open too, and may outlive this process.
    stdin = process.stdin
    assert stdin is not None
    os.register_at_fork(after_in_child=stdin.close)
    return process


def start(options: Sequence[str] = (), *, directory: str | os.PathLike[str] | None = None) -> Rollcall:
    """Starts `rollcall dev --in-memory` on a free port of this machine, and returns when it answers.

    `options` are further ones, such as `["--seed", "profiles.ndjson"]`; paths in them start at `directory`, by default
    the current one. Neither a `rollcall.toml` nor `ROLLCALL_…` variables reach the server. It ends with `stop()`, with
    the `with` block, and with this process, however that ends.
    """
    command = [
        str(binary()),
        "dev", "--exit-with-parent", "--config", os.devnull, "--in-memory", "--listen", "127.0.0.1:0", "--output", "json", "--log", "warn",
        *options,
    ]  # fmt: skip
    log = tempfile.TemporaryFile()
    process = _spawn(command, log, directory)
    assert process.stdout is not None
    line = process.stdout.readline()
    server = Rollcall(json.loads(line) if line else {}, process, log)
    if not line:
        said = server.log().strip() or "it said nothing"
        server.stop()
        raise RollcallError(f"`{' '.join(command)}` did not start: {said}")
    return server


class Rollcall:
    """A running development server.

    The organization and the keys of its own are for what concerns no test in particular; `tenant()` makes others.
    """

    def __init__(self, announced: dict[str, str], process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        self.base_url: str = announced.get("base_url", "")
        self.console_url: str = announced.get("console_url", "")
        self.organization_id: str = announced.get("organization_id", "")
        self.workspace_id: str = announced.get("workspace_id", "")
        self.api_key: str = announced.get("api_key", "")
        self.admin_key: str = announced.get("admin_key", "")
        self.operator_key: str = announced.get("operator_key", "")
        self.clock = Clock(self)
        self.faults = Faults(self)
        self._process = process
        self._log = log

    def __enter__(self) -> Rollcall:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def operator(self, method: str, path: str, body: object = None) -> Any:
        """Calls the operator API, `/operator/v1` and `path`, and returns its answer.

        >>> rollcall.operator("POST", f"/user_profiles/{profile.id}/enforcement_actions", {"type": "ban", "reason": "high_harm"})
        """
        return self.call(method, f"/operator/v1{path}", self.operator_key, body)

    def call(self, method: str, path: str, key: str, body: object = None) -> Any:
        """Calls any path with any key, and returns its answer. Raises `RollcallError` unless that is a 2xx."""
        request = urllib.request.Request(self.base_url + path, method=method)
        request.add_header("x-api-key", key)
        request.add_header("anthropic-version", "2023-06-01")
        request.add_header("anthropic-beta", "webhooks-2026-10-07")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("content-type", "application/json")
        try:
            with _direct.open(request, timeout=TIMEOUT) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise _refused(method, path, refusal.code, refusal.read()) from None
        except OSError as error:
            raise RollcallError(f"{method} {path}: {error}; the server said: {self.log().strip() or 'nothing'}") from error

    def tenant(self, name: str = "tests") -> Tenant:
        """Makes an organization that nobody else uses, with a key of its own."""
        organization: str = self.operator("POST", "/organizations", {"name": name[:200]})["id"]
        return Tenant(self, organization)

    def requests(self) -> list[dict[str, Any]]:
        """The last requests that clients sent, newest first, at most 200, secrets removed."""
        found: list[dict[str, Any]] = []
        page = ""
        while True:
            answer = self.operator("GET", f"/dev/requests?limit=100{page}")
            found += answer["data"]
            if not answer["next_page"]:
                return found
            page = f"&page={answer['next_page']}"

    def reset(self) -> None:
        """Back to the state right after the start: every tenant made since is gone, and its keys with it."""
        self.operator("POST", "/dev/reset")

    def log(self) -> str:
        """What the server wrote to standard error: warnings and errors."""
        return os.pread(self._log.fileno(), 1 << 20, 0).decode(errors="replace") if not self._log.closed else ""

    def stop(self) -> None:
        """Ends the server. Stopping twice does nothing."""
        if self._log.closed:
            return
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=TIMEOUT)
        self._process.stdout.close()
        self._log.close()


def _refused(method: str, path: str, status: int, body: bytes) -> RollcallError:
    try:
        error = json.loads(body)["error"]
        return RollcallError(f"{method} {path}: {status}: {error['message']}", status, error["type"])
    except (ValueError, KeyError, TypeError):
        return RollcallError(f"{method} {path}: {status}: {body[:500].decode(errors='replace')}", status)


class Tenant:
    """An organization of a test's own: what happens in another one never shows here."""

    def __init__(self, server: Rollcall, organization_id: str) -> None:
        self.organization_id = organization_id
        self.base_url = server.base_url
        self._server = server
        self.api_key = self._key("api")

    @functools.cached_property
    def admin_key(self) -> str:
        """A key for `/v1/organizations/webhooks`, made when it is first asked for."""
        return self._key("admin")

    def _key(self, kind: str) -> str:
        path = f"/organizations/{self.organization_id}/api_keys"
        secret: str = self._server.operator("POST", path, {"name": f"{kind} key of a test", "kind": kind})["secret"]
        return secret

    def webhooks(self, events: Sequence[str] = EVENT_TYPES) -> WebhookReceiver:
        """Starts a receiver and registers it for this organization's events. `stop()` it, or use it in a `with` block."""
        path = "/v1/organizations/webhooks"

        def register(url: str) -> tuple[str, str]:
            endpoint = self._server.call("POST", path, self.admin_key, {"url": url, "enabled_events": list(events)})
            return endpoint["id"], endpoint["signing_secret"]

        def unregister(endpoint: str) -> None:
            # After a reset, or a server that stopped first, there is nothing left to take away.
            with contextlib.suppress(RollcallError):
                self._server.call("DELETE", f"{path}/{endpoint}", self.admin_key)

        return WebhookReceiver(register, unregister)


class Clock:
    """The server's clock, which every timestamp, expiry and retry follows. It is the whole server's."""

    def __init__(self, server: Rollcall) -> None:
        self._server = server

    def now(self) -> datetime.datetime:
        """What it shows."""
        return _time(self._server.operator("GET", "/dev/clock"))

    def advance(self, by: str | datetime.timedelta) -> datetime.datetime:
        """Moves it on, by a time such as `"1h30m"` or `timedelta(minutes=15)`; it runs or stands as it did."""
        if isinstance(by, datetime.timedelta):
            by = f"{by // datetime.timedelta(milliseconds=1)}ms"
        return self._change({"advance": by})

    def stop_at(self, at: str | datetime.datetime) -> datetime.datetime:
        """Stops it at an instant, such as `"2026-03-15T10:00:00Z"` or a `datetime` with a time zone."""
        if isinstance(at, datetime.datetime):
            if at.tzinfo is None:
                raise ValueError("stop_at: the datetime must have a time zone, such as datetime.timezone.utc")
            at = at.astimezone(datetime.timezone.utc).isoformat().replace("+00:00", "Z")
        return self._change({"now": at})

    def real(self) -> datetime.datetime:
        """Lets it show the real time again."""
        return self._change({"real": True})

    def _change(self, change: dict[str, object]) -> datetime.datetime:
        return _time(self._server.operator("POST", "/dev/clock", change))


def _time(answer: dict[str, str]) -> datetime.datetime:
    return datetime.datetime.fromisoformat(answer["now"].replace("Z", "+00:00"))


class Faults:
    """Failures on demand, for any public request to this server, whichever tenant sent it."""

    def __init__(self, server: Rollcall) -> None:
        self._server = server

    def add(
        self,
        status: int | None = None,
        *,
        times: int = 1,
        method: str | None = None,
        path: str | None = None,
        error_type: str | None = None,
        delay: float = 0,
        drop_connection: bool = False,
    ) -> None:
        """Orders that the next `times` matching requests fail with `status`, as a real failure does.

        `delay` in seconds makes the failure late, or alone a success slow; `drop_connection` breaks off without an
        answer.
        """
        fault = {
            "status": status,
            "times": times,
            "method": method,
            "path": path,
            "error_type": error_type,
            "delay_ms": round(delay * 1000),
            "drop_connection": drop_connection,
        }
        self._server.operator("POST", "/dev/faults", {name: value for name, value in fault.items() if value is not None})

    def pending(self) -> list[dict[str, Any]]:
        """What is still to come, `times` counted down; the first 100."""
        pending: list[dict[str, Any]] = self._server.operator("GET", "/dev/faults?limit=100")["data"]
        return pending

    def clear(self) -> None:
        """Orders no more."""
        self._server.operator("DELETE", "/dev/faults")
