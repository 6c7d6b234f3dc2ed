"""pytest's fixtures: a Rollcall for the run, and an organization for each test.

Each process of a run has a server of its own, so each worker of pytest-xdist does: clock, faults and reset are a whole
server's, and tests that use them would disturb those of other workers on a shared one. A server in memory starts in
milliseconds and needs some 20 MB.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

# Everything else is imported when a fixture is used: this module is loaded by every run of pytest in the environment.
if TYPE_CHECKING:
    from anthropic import Anthropic

    from . import Clock, Faults, Rollcall, Tenant, WebhookReceiver


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        "rollcall_options",
        "Further options of `rollcall dev`, such as --seed tests/profiles.ndjson; paths start at the rootdir.",
        type="args",
        default=[],
    )


@pytest.fixture(scope="session")
def rollcall(pytestconfig: pytest.Config) -> Iterator[Rollcall]:
    """A development server for the whole run: on a free port, in memory, gone when the run is, however that ends."""
    from . import start

    with start(pytestconfig.getini("rollcall_options"), directory=pytestconfig.rootpath) as server:
        yield server


@pytest.fixture
def rollcall_tenant(rollcall: Rollcall, request: pytest.FixtureRequest) -> Tenant:
    """An empty organization for this test alone, with an API key; it bears the test's name in the console."""
    return rollcall.tenant(request.node.nodeid)


@pytest.fixture
def rollcall_clock(rollcall: Rollcall) -> Iterator[Clock]:
    """The server's clock; it shows the real time again after the test."""
    yield rollcall.clock
    rollcall.clock.real()


@pytest.fixture
def rollcall_faults(rollcall: Rollcall) -> Iterator[Faults]:
    """Failures on demand; what the test did not use up is cleared after it."""
    yield rollcall.faults
    rollcall.faults.clear()


@pytest.fixture
def rollcall_webhooks(rollcall_tenant: Tenant) -> Iterator[WebhookReceiver]:
    """A receiver for the events of this test's organization, which verifies and collects them."""
    with rollcall_tenant.webhooks() as receiver:
        yield receiver


@pytest.fixture
def rollcall_client(rollcall_tenant: Tenant) -> Iterator[Anthropic]:
    """The official SDK's client, as this test's organization."""
    try:
        from anthropic import Anthropic
    except ImportError:
        pytest.fail("the fixture rollcall_client needs the official SDK: pip install anthropic", pytrace=False)
    with Anthropic(base_url=rollcall_tenant.base_url, api_key=rollcall_tenant.api_key) as client:
        yield client
