"""What each fixture promises, asked of a real server."""

from __future__ import annotations

import datetime
import urllib.error
import urllib.request

import pytest

from rollcall_server import Clock, Faults, Rollcall, RollcallError, Tenant, WebhookReceiver, start

BAN = {"type": "ban", "reason": "high_harm"}


def profiles(rollcall: Rollcall, tenant: Tenant) -> list[str]:
    return [row["name"] for row in rollcall.call("GET", "/v1/user_profiles?beta=true", tenant.api_key)["data"]]


def create(rollcall: Rollcall, tenant: Tenant, name: str = "Ana") -> str:
    profile: str = rollcall.call("POST", "/v1/user_profiles", tenant.api_key, {"name": name})["id"]
    return profile


def test_the_server_is_the_same_for_the_whole_run(rollcall: Rollcall, pytestconfig: pytest.Config) -> None:
    seen = pytestconfig.__dict__.setdefault("_rollcall_seen", rollcall.base_url)
    assert seen == rollcall.base_url


@pytest.mark.parametrize("name", ["Ana", "Bo", "Cy", "Di"])
def test_each_test_has_an_empty_organization(rollcall: Rollcall, rollcall_tenant: Tenant, name: str) -> None:
    assert profiles(rollcall, rollcall_tenant) == []
    create(rollcall, rollcall_tenant, name)
    assert profiles(rollcall, rollcall_tenant) == [name]


def test_an_organization_bears_the_name_of_its_test(rollcall: Rollcall, rollcall_tenant: Tenant) -> None:
    organization = rollcall.operator("GET", f"/organizations/{rollcall_tenant.organization_id}")
    assert "test_an_organization_bears_the_name_of_its_test" in organization["name"]


def test_the_clock_moves_and_stops(rollcall: Rollcall, rollcall_clock: Clock, rollcall_tenant: Tenant) -> None:
    noon = datetime.datetime(2026, 3, 15, 12, tzinfo=datetime.timezone.utc)
    assert rollcall_clock.stop_at(noon) == noon
    assert rollcall_clock.advance(datetime.timedelta(minutes=15)) == noon + datetime.timedelta(minutes=15)
    assert rollcall_clock.advance("1h30m") == noon + datetime.timedelta(hours=1, minutes=45)
    made = rollcall.call("POST", "/v1/user_profiles", rollcall_tenant.api_key, {})
    assert made["created_at"].startswith("2026-03-15T13:45:00")


def test_the_clock_shows_the_real_time_after_a_test_that_moved_it(rollcall: Rollcall) -> None:
    now = datetime.datetime.now(datetime.timezone.utc)
    assert abs(rollcall.clock.now() - now) < datetime.timedelta(minutes=1)


def test_a_time_without_a_zone_is_refused_before_it_is_sent(rollcall_clock: Clock) -> None:
    with pytest.raises(ValueError, match="time zone"):
        rollcall_clock.stop_at(datetime.datetime(2026, 3, 15))  # noqa: DTZ001


def test_a_fault_strikes_as_often_as_it_was_ordered(rollcall: Rollcall, rollcall_tenant: Tenant, rollcall_faults: Faults) -> None:
    rollcall_faults.add(529, times=2, path="/v1/user_profiles")
    assert [fault["times"] for fault in rollcall_faults.pending()] == [2]
    for _ in range(2):
        with pytest.raises(RollcallError) as refusal:
            create(rollcall, rollcall_tenant)
        assert (refusal.value.status, refusal.value.error_type) == (529, "overloaded_error")
    create(rollcall, rollcall_tenant)
    rollcall_faults.add(drop_connection=True)


def test_what_a_test_left_of_its_faults_is_gone(rollcall: Rollcall, rollcall_tenant: Tenant) -> None:
    assert rollcall.faults.pending() == []
    create(rollcall, rollcall_tenant)


def test_webhooks_arrive_verified_and_in_order(rollcall: Rollcall, rollcall_tenant: Tenant, rollcall_webhooks: WebhookReceiver) -> None:
    profile = create(rollcall, rollcall_tenant)
    action = rollcall.operator("POST", f"/user_profiles/{profile}/enforcement_actions", BAN)
    opened = rollcall_webhooks.next()
    assert opened.type == "user_profile.enforcement_action_opened"
    assert opened.event["data"]["enforcement_action_id"] == action["id"]
    rollcall.operator("POST", f"/enforcement_actions/{action['id']}/resolve", {})
    assert rollcall_webhooks.next().type == "user_profile.enforcement_action_resolved"
    assert len(rollcall_webhooks.deliveries) == 2


def test_webhooks_of_another_organization_do_not_arrive(rollcall: Rollcall, rollcall_webhooks: WebhookReceiver) -> None:
    other = rollcall.tenant("another")
    with other.webhooks() as theirs:
        rollcall.operator("POST", f"/user_profiles/{create(rollcall, other)}/enforcement_actions", BAN)
        theirs.next()
    assert rollcall_webhooks.deliveries == []


def test_what_is_not_signed_with_the_secret_is_refused(rollcall_webhooks: WebhookReceiver) -> None:
    headers = {"webhook-id": "whe_forged", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}
    request = urllib.request.Request(rollcall_webhooks.url, data=b"{}", headers=headers)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10)
    with pytest.raises(TimeoutError, match="whe_forged is not signed"):
        rollcall_webhooks.next(timeout=0)
    assert rollcall_webhooks.deliveries == []


def test_a_failing_receiver_is_tried_again(
    rollcall: Rollcall, rollcall_clock: Clock, rollcall_tenant: Tenant, rollcall_webhooks: WebhookReceiver
) -> None:
    rollcall_webhooks.answer_with(503)
    rollcall.operator("POST", f"/user_profiles/{create(rollcall, rollcall_tenant)}/enforcement_actions", BAN)
    first = rollcall_webhooks.next()
    rollcall_webhooks.answer_with(204)
    wait_for_the_attempt_to_be_put_down(rollcall, rollcall_tenant)
    rollcall_clock.advance("1m")
    again = rollcall_webhooks.next()
    assert again.headers["webhook-id"] == first.headers["webhook-id"]


def wait_for_the_attempt_to_be_put_down(rollcall: Rollcall, tenant: Tenant) -> None:
    for _ in range(1000):
        deliveries = rollcall.operator("GET", "/webhook_deliveries?status=pending&limit=100")["data"]
        if any(row["attempts"] for row in deliveries if row["organization_id"] == tenant.organization_id):
            return
    raise AssertionError("the failed attempt was never put down")


def test_requests_show_what_a_client_sent(rollcall: Rollcall, rollcall_tenant: Tenant) -> None:
    create(rollcall, rollcall_tenant, "Somebody in particular")
    sent = rollcall.requests()[0]
    assert (sent["method"], sent["path"]) == ("POST", "/v1/user_profiles")


def test_a_refusal_names_the_request_and_the_reason(rollcall: Rollcall) -> None:
    with pytest.raises(RollcallError, match="GET /operator/v1/organizations/nobody: 404") as refusal:
        rollcall.operator("GET", "/organizations/nobody")
    assert refusal.value.status == 404


def test_neither_a_settings_file_nor_the_environment_steers_the_server(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path_factory.mktemp("project")
    (directory / "rollcall.toml").write_text("max_connections = 'many'\n", encoding="utf-8")
    monkeypatch.setenv("ROLLCALL_DEV_API_KEY", "from the environment")
    with start(directory=directory) as server:
        assert server.api_key.startswith("sk-rollcall-api01-")


def test_options_reach_the_server_and_paths_start_at_the_directory(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("project")
    (directory / "seed.ndjson").write_text('{"type":"user_profile","id":"uprof_ana","name":"Ana"}\n', encoding="utf-8")
    with start(["--seed", "seed.ndjson"], directory=directory) as server:
        assert server.operator("GET", "/user_profiles/uprof_ana")["name"] == "Ana"


def test_a_server_that_cannot_start_says_why() -> None:
    with pytest.raises(RollcallError, match="nowhere.ndjson"):
        start(["--seed", "nowhere.ndjson"])


def test_a_stopped_server_is_gone_and_stopping_again_does_nothing() -> None:
    server = start()
    server.stop()
    server.stop()
    with pytest.raises(RollcallError, match="refused"):
        server.operator("GET", "/dev/clock")


def test_reset_takes_the_tenants_away() -> None:
    with start() as server:
        tenant = server.tenant()
        create(server, tenant)
        server.reset()
        with pytest.raises(RollcallError) as refusal:
            create(server, tenant)
        assert refusal.value.status == 401
