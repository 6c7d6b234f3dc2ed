"""Runs an official SDK's own tests against a Rollcall that keeps state.

Loaded with `-p rollcall_pytest` from outside the SDK's tree, which stays as published. It does three things: puts the
server back to its state right after start before each test, writes down how each test ended and why, and, where the
suite asks for it, names one more beta in every request.

Settings come from the environment: TEST_API_BASE_URL, ROLLCALL_SDK_OPERATOR_KEY, ROLLCALL_SDK_RESULTS and, optionally,
ROLLCALL_SDK_EXTRA_BETA.
"""

import http.client
import json
import os
from urllib.parse import urlsplit

import pytest

BASE_URL = os.environ["TEST_API_BASE_URL"]
OPERATOR_KEY = os.environ["ROLLCALL_SDK_OPERATOR_KEY"]
RESULTS = os.environ["ROLLCALL_SDK_RESULTS"]
EXTRA_BETA = os.environ.get("ROLLCALL_SDK_EXTRA_BETA")

results = {}


def reset():
    address = urlsplit(BASE_URL)
    # One connection a reset: a kept one would be an open socket at the end, which the SDKs' settings turn into an error.
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    try:
        connection.request("POST", "/operator/v1/dev/reset", headers={"x-api-key": OPERATOR_KEY, "content-length": "0"})
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status not in (200, 204):
        raise RuntimeError(f"POST /operator/v1/dev/reset answered {response.status}: {body[:300]!r}")


@pytest.fixture(autouse=True)
def rollcall_state_right_after_start():
    reset()


def describe(error):
    """What the test's exception says about the server's answer, if it came from one."""
    body = getattr(error, "body", None)
    detail = body.get("error") if isinstance(body, dict) else None
    detail = detail if isinstance(detail, dict) else {}
    return {
        "exception": type(error).__name__,
        "status": getattr(error, "status_code", None),
        "error_type": detail.get("type"),
        "message": detail.get("message"),
        "text": str(error)[:1000],
    }


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    entry = results.setdefault(item.nodeid, {"outcome": "passed", "phase": "call"})
    # A failure is kept whatever follows it; a skip or an expected failure is neither a pass nor a refusal.
    if report.outcome != "passed" and entry["outcome"] != "failed":
        entry.update(outcome=report.outcome, phase=report.when)
        if call.excinfo is not None:
            entry.update(describe(call.excinfo.value))
    return report


def pytest_sessionfinish(session, exitstatus):
    with open(RESULTS, "w", encoding="utf-8") as file:
        json.dump({"tests": results}, file)


def pytest_configure(config):
    if EXTRA_BETA:
        name_extra_beta()


def name_extra_beta():
    """Adds a beta behind those that the SDK sends, at the one place where both of its clients build a request."""
    from anthropic import _base_client

    build = _base_client.BaseClient._build_request

    def with_extra_beta(self, *args, **kwargs):
        request = build(self, *args, **kwargs)
        sent = request.headers.get("anthropic-beta")
        request.headers["anthropic-beta"] = f"{sent},{EXTRA_BETA}" if sent else EXTRA_BETA
        return request

    _base_client.BaseClient._build_request = with_extra_beta
