"""Every way of signing in that the Python SDK has lists once, in both namespaces, with both clients.

Rollcall knows keys and no token exchange: where the SDK would trade an identity for a token, the token that it is given is a
key. What such a client sends beside it, unasked, has to be accepted all the same.
"""

import asyncio
import inspect
import json
import os
import pathlib
import time
import urllib.request

import anthropic
import httpx2
import pytest
from anthropic.lib.credentials import AccessToken, EnvToken, InMemoryConfig, StaticToken, WorkloadIdentityCredentials

BASE_URL = os.environ["TEST_API_BASE_URL"]
KEY = os.environ["ROLLCALL_SDK_API_KEY"]
WORKSPACE = os.environ["ROLLCALL_SDK_WORKSPACE"]
OPERATOR_KEY = os.environ["ROLLCALL_SDK_OPERATOR_KEY"]
SEEDED = "uprof_011CZkZCu8hGbp5mYRQgUmz9"
OAUTH = "oauth-2025-04-20"
SURFACE = pathlib.Path(__file__).resolve().parent.parent / "surface/surface.json"


def profile_files(directory, **config):
    """A profile as an interactive login leaves it, its access token kept fresh by somebody else."""
    files = {
        "configs/ci.json": {"authentication": {"type": "user_oauth"}, **config},
        "credentials/ci.json": {"access_token": KEY, "expires_at": int(time.time()) + 3600},
    }
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
        path.chmod(0o600)
    return directory


def federation():
    """A workload's identity, traded for a token by an endpoint that answers with the key."""

    def exchange(request):
        assert request.url.path == "/v1/oauth/token"
        return httpx2.Response(200, json={"access_token": KEY, "token_type": "Bearer", "expires_in": 3600})

    return WorkloadIdentityCredentials(
        identity_token_provider=lambda: "a.b.c", federation_rule_id="fdrl_1", organization_id="0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11",
        http_client=httpx2.Client(transport=httpx2.MockTransport(exchange)),
    )  # fmt: skip


# Name → (what the environment holds, what the client is given). `{dir}` is a directory of the test's own.
WAYS = {
    "api_key": ({}, lambda directory: {"api_key": KEY}),
    "auth_token": ({}, lambda directory: {"auth_token": KEY}),
    "environment: api key": ({"ANTHROPIC_API_KEY": KEY}, lambda directory: {}),
    "environment: auth token": ({"ANTHROPIC_AUTH_TOKEN": KEY}, lambda directory: {}),
    "default headers: x-api-key": ({}, lambda directory: {"default_headers": {"x-api-key": KEY}}),
    "default headers: authorization": ({}, lambda directory: {"default_headers": {"authorization": f"Bearer {KEY}"}}),
    "default headers: profile and workspace": (
        {},
        lambda directory: {"api_key": KEY, "default_headers": {"anthropic-user-profile-id": SEEDED, "anthropic-workspace-id": WORKSPACE}},
    ),
    "environment: custom headers": (
        {"ANTHROPIC_CUSTOM_HEADERS": f"anthropic-user-profile-id: {SEEDED}\nanthropic-workspace-id: {WORKSPACE}"},
        lambda directory: {"api_key": KEY},
    ),
    "credentials: static token": ({}, lambda directory: {"credentials": StaticToken(KEY)}),
    "credentials: function": ({}, lambda directory: {"credentials": lambda *, force_refresh=False: AccessToken(token=KEY, expires_at=None)}),
    "credentials: from the environment": ({"SIGN_IN_TOKEN": KEY}, lambda directory: {"credentials": EnvToken("SIGN_IN_TOKEN")}),
    "credentials: federation": ({}, lambda directory: {"credentials": federation()}),
    "config": (
        {},
        lambda directory: {
            "config": {"authentication": {"type": "user_oauth", "credentials_path": str(profile_files(directory) / "credentials/ci.json")}}
        },
    ),
    "credentials: config": (
        {},
        lambda directory: {
            "credentials": InMemoryConfig(
                {"authentication": {"type": "user_oauth", "credentials_path": str(profile_files(directory) / "credentials/ci.json")}}
            )
        },
    ),
    "profile": ({"ANTHROPIC_CONFIG_DIR": "{dir}"}, lambda directory: profile_files(directory) and {"profile": "ci"}),
    "profile with a workspace": (
        {"ANTHROPIC_CONFIG_DIR": "{dir}"},
        lambda directory: profile_files(directory, workspace_id=WORKSPACE) and {"profile": "ci"},
    ),
    "environment: profile": ({"ANTHROPIC_CONFIG_DIR": "{dir}", "ANTHROPIC_PROFILE": "ci"}, lambda directory: profile_files(directory) and {}),
}
WITH_OAUTH = {name for name in WAYS if name.startswith(("credentials", "config", "profile")) or name == "environment: profile"}


def operator(path):
    request = urllib.request.Request(f"{BASE_URL}/operator/v1{path}", headers={"x-api-key": OPERATOR_KEY})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def sent():
    """The headers of the last two lists that the server saw."""
    rows = [row for row in operator("/dev/requests?limit=20")["data"] if row["path"] == "/v1/user_profiles"]
    assert [row["status"] for row in rows] == [200, 200]
    return [dict(row["headers"]) for row in rows]


def listed_once(client):
    """The ids that both namespaces list."""
    if not isinstance(client, anthropic.AsyncAnthropic):
        return [[profile.id for profile in namespace.list()] for namespace in (client.user_profiles, client.beta.user_profiles)]

    async def walk():
        async with client:
            return [[profile.id async for profile in namespace.list()] for namespace in (client.user_profiles, client.beta.user_profiles)]

    return asyncio.run(walk())


@pytest.mark.parametrize("make", [anthropic.Anthropic, anthropic.AsyncAnthropic])
@pytest.mark.parametrize("way", WAYS)
def test_it_lists_once(way, make, tmp_path, monkeypatch):
    environment, given = WAYS[way]
    # A profile of the one who runs the tests must not sign in for a way that does not work.
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in environment.items():
        monkeypatch.setenv(name, value.replace("{dir}", str(tmp_path)))
    client = make(base_url=BASE_URL, max_retries=0, **given(tmp_path))

    assert listed_once(client) == [[SEEDED], [SEEDED]]

    beta, ga = sent()
    for headers in (beta, ga):
        # What the way adds went out: the server would have listed without it.
        assert (OAUTH in headers.get("anthropic-beta", "").split(",")) == (way in WITH_OAUTH), headers
        with_workspace = "workspace" in way or way == "environment: custom headers"
        assert (headers.get("anthropic-workspace-id") == WORKSPACE) == with_workspace, headers
        assert ("anthropic-user-profile-id" in headers) == (way in ("default headers: profile and workspace", "environment: custom headers")), headers


def test_no_way_is_forgotten():
    """The client's parameters that say who is calling: a new one needs a way above."""
    signing = {"api_key", "auth_token", "credentials", "config", "profile", "default_headers"}
    others = {"self", "webhook_key", "base_url", "timeout", "max_retries", "default_query", "open_telemetry", "http_client", "middleware"}
    parameters = {name for name in inspect.signature(anthropic.Anthropic.__init__).parameters if not name.startswith("_")}
    assert parameters == signing | others


def test_every_beta_that_the_sdk_knows_is_accepted():
    betas = json.loads(SURFACE.read_text(encoding="utf-8"))["python"]["ours"]["betas"]
    client = anthropic.Anthropic(base_url=BASE_URL, api_key=KEY, max_retries=0)
    assert [profile.id for profile in client.beta.user_profiles.list(betas=betas)] == [SEEDED]
