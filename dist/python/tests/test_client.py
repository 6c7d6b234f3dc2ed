"""The official SDK through the fixture, and what the fixture says where the SDK is missing."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from rollcall_server import Faults, Rollcall, Tenant, WebhookReceiver

pytest_plugins = ["pytester"]
sdk = pytest.mark.skipif(importlib.util.find_spec("anthropic") is None, reason="the official SDK is not installed")

if importlib.util.find_spec("anthropic") is not None:
    from anthropic import Anthropic, AsyncAnthropic


@sdk
def test_the_client_speaks_for_the_organization_of_its_test(rollcall_client: Anthropic, rollcall_tenant: Tenant, rollcall: Rollcall) -> None:
    assert list(rollcall_client.beta.user_profiles.list()) == []
    made = rollcall_client.beta.user_profiles.create(name="Ana")
    record = rollcall.operator("GET", f"/user_profiles/{made.id}")
    assert record["organization_id"] == rollcall_tenant.organization_id


@sdk
def test_the_client_tries_again_after_an_overload(rollcall_client: Anthropic, rollcall_faults: Faults) -> None:
    rollcall_faults.add(529)
    assert rollcall_client.beta.user_profiles.create(name="Ana").name == "Ana"
    assert rollcall_faults.pending() == []


@sdk
def test_the_official_sdk_opens_what_the_receiver_collected(
    rollcall: Rollcall, rollcall_client: Anthropic, rollcall_webhooks: WebhookReceiver
) -> None:
    made = rollcall_client.beta.user_profiles.create(name="Ana")
    rollcall.operator("POST", f"/user_profiles/{made.id}/enforcement_actions", {"type": "ban", "reason": "high_harm"})
    delivery = rollcall_webhooks.next()
    event = rollcall_client.beta.webhooks.unwrap(delivery.body.decode(), headers=dict(delivery.headers), key=rollcall_webhooks.secret)
    assert event.id == delivery.headers["webhook-id"]


@sdk
@pytest.mark.asyncio
async def test_an_async_test_uses_the_same_fixtures(rollcall: Rollcall, rollcall_tenant: Tenant, rollcall_webhooks: WebhookReceiver) -> None:
    async with AsyncAnthropic(base_url=rollcall_tenant.base_url, api_key=rollcall_tenant.api_key) as client:
        made = await client.beta.user_profiles.create(name="Ana")
    rollcall.operator("POST", f"/user_profiles/{made.id}/enforcement_actions", {"type": "ban", "reason": "high_harm"})
    assert rollcall_webhooks.next().event["data"]["id"] == made.id


@pytest.mark.asyncio
async def test_an_async_test_has_an_organization(rollcall: Rollcall, rollcall_tenant: Tenant) -> None:
    assert rollcall.call("GET", "/v1/user_profiles?beta=true", rollcall_tenant.api_key)["data"] == []


@pytest.mark.skipif(importlib.util.find_spec("anthropic") is not None, reason="the official SDK is installed")
def test_without_the_sdk_the_client_says_what_to_install(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(rollcall_client): pass")
    result = pytester.runpytest_subprocess()
    result.stdout.fnmatch_lines(["*pip install anthropic*"])
    assert result.ret == 1


def test_options_of_the_server_stand_in_the_project_s_settings(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makeini("[pytest]\nrollcall_options = --organization-id my-organization --seed data/seed.ndjson\n")
    data = pytester.mkdir("data") / "seed.ndjson"
    data.write_text('{"type":"user_profile","id":"uprof_ana","name":"Ana"}\n', encoding="utf-8")
    pytester.makepyfile(
        """
        def test_it(rollcall):
            assert rollcall.organization_id == "my-organization"
            assert rollcall.operator("GET", "/user_profiles/uprof_ana")["name"] == "Ana"
        """
    )
    monkeypatch.chdir("data")
    assert pytester.run(sys.executable, "-m", "pytest", "..").ret == 0


def test_the_fixtures_describe_themselves(pytester: pytest.Pytester) -> None:
    shown = pytester.runpytest_subprocess("--fixtures").stdout.str()
    for name in ("rollcall", "rollcall_tenant", "rollcall_clock", "rollcall_faults", "rollcall_webhooks", "rollcall_client"):
        assert f"\n{name} " in shown
        described = shown.split(f"\n{name} ", 1)[1].split("\n", 2)[1]
        assert described.startswith("    ") and "no docstring" not in described
