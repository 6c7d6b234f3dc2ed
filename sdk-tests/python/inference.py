"""The inference stub as the newest SDK meets it: whole and streamed, with a profile and without, every refusal as its typed
error, and what the server recorded of it."""

import json
import os
import sys
import urllib.request

import anthropic
from anthropic import Anthropic

base_url, api_key, operator_key = (os.environ[name] for name in ("TEST_API_BASE_URL", "ROLLCALL_SDK_API_KEY", "ROLLCALL_SDK_OPERATOR_KEY"))
BILLING = "user-profiles-billing-2026-10-01"
GOOD_DAY = {"model": "claude-stub", "max_tokens": 64, "messages": [{"role": "user", "content": "Good day"}]}
checks = {}


def check(name, seen, expected):
    checks[name] = None if seen == expected else f"{seen!r} instead of {expected!r}"
    if checks[name]:
        print(f"{name}: {checks[name]}")


def operator(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base_url + "/operator/v1" + path, data=data, method=method)
    request.add_header("x-api-key", operator_key)
    request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def refusal(ask):
    """The class of the error, its type and its code."""
    try:
        return ask()
    except anthropic.APIStatusError as error:
        told = error.body["error"]
        return type(error).__name__, told["type"], told.get("details", {}).get("error_code")


client = Anthropic(base_url=base_url, api_key=api_key, max_retries=0)
profile = client.beta.user_profiles.create(name="Ana").id
organization = operator("GET", f"/user_profiles/{profile}")["organization_id"]


def policy(**members):
    operator("POST", f"/organizations/{organization}/gateway_policy", members)


message = client.messages.create(**GOOD_DAY)
text = message.content[0].text
check("a message", (message.role, message.stop_reason, message.model, bool(text)), ("assistant", "end_turn", "claude-stub", True))
check("its usage", (message.usage.input_tokens, message.usage.output_tokens), (3, -(-len(text) // 4)))
check("counted tokens", client.messages.count_tokens(model="m", messages=GOOD_DAY["messages"]).input_tokens, 3)
with client.messages.stream(**GOOD_DAY, user_profile_id=profile) as stream:
    pieces = list(stream.text_stream)
    streamed = stream.get_final_message()
check("a stream's text", ("".join(pieces), streamed.content[0].text), (text, text))
check("a stream's end", (streamed.stop_reason, streamed.usage.output_tokens), ("end_turn", message.usage.output_tokens))
check("a stream has pieces", len(pieces) > 1, True)
check("a beta's message", client.beta.messages.create(**GOOD_DAY, user_profile_id=profile).content[0].text, text)

for name, ask in {
    "messages": lambda **more: client.messages.create(**GOOD_DAY, **more),
    "beta.messages": lambda **more: client.beta.messages.create(**GOOD_DAY, **more),
    "a stream": lambda **more: client.messages.create(**GOOD_DAY, stream=True, **more),
    "count_tokens": lambda **more: client.messages.count_tokens(model="m", messages=GOOD_DAY["messages"], **more),
}.items():
    unknown = ("UserProfileNotFoundError", "invalid_request_error", "user_profile_not_found")
    check(f"{name}: an unknown profile", refusal(lambda: ask(user_profile_id="uprof_nobody")), unknown)

policy(missing="deny")
required = ("UserProfileRequiredError", "invalid_request_error", "user_profile_required")
check("no profile where one must be named", refusal(lambda: client.messages.create(**GOOD_DAY)), required)
policy(missing="allow", restricted="deny", pending="deny")


def named():
    return client.messages.create(**GOOD_DAY, user_profile_id=profile)


def denied(code):
    return "PermissionDeniedError", "permission_error", code


actions = f"/user_profiles/{profile}/enforcement_actions"
restriction = operator("POST", actions, {"type": "restriction", "reason": "fraud_or_abuse", "action": "verify"})["id"]
check("restricted", refusal(named), denied("user_profile_restricted"))
operator("POST", f"/enforcement_actions/{restriction}/identity_check", {"state": "submitted"})
check("pending", refusal(named), denied("user_profile_pending"))
ban = operator("POST", actions, {"type": "ban", "reason": "high_harm"})["id"]
check("banned", refusal(named), denied("user_profile_banned"))
operator("POST", f"/enforcement_actions/{ban}/resolve")
operator("POST", f"/enforcement_actions/{restriction}/identity_check", {"state": "passed"})
for status in ["blocked", "suspended"]:
    client.user_profiles.update(profile, external_user_details={"account_status": status})
    check(f"account {status}", refusal(named), denied(f"user_profile_account_{status}"))
client.user_profiles.update(profile, external_user_details={"account_status": "active"})

policy(restricted="allow", pending="allow")


def billed(who="user_profile", **more):
    return client.beta.messages.create(**GOOD_DAY, billing_policy={"type": "billing_policy", "bill_to": who}, betas=[BILLING], **more)


check("billed to itself", billed("self", user_profile_id=profile).role, "assistant")
check("billed to nobody", refusal(billed), required)
unauthorized = ("UserProfileBillingNotAuthorizedError", "permission_error", "user_profile_billing_not_authorized")
for state, expected in {
    None: unauthorized,
    "not_linked": unauthorized,
    "unlinked": unauthorized,
    "not_billable": ("UserProfileNotBillableError", "permission_error", "user_profile_not_billable"),
    "unavailable": ("LinkedOrganizationBillingUnavailableError", "billing_error", "linked_organization_billing_unavailable"),
    "limit_reached": ("LinkedOrganizationSpendLimitReachedError", "billing_error", "linked_organization_spend_limit_reached"),
}.items():
    if state:
        operator("PUT", f"/dev/user_profiles/{profile}/billing", {"state": state})
    check(f"billing {state}", refusal(lambda: billed(user_profile_id=profile)), expected)
operator("PUT", f"/dev/user_profiles/{profile}/billing", {"state": "linked"})
check("billing linked", billed(user_profile_id=profile).role, "assistant")

recorded = operator("GET", "/dev/requests?limit=1")["data"][0]
check("what was recorded", (recorded["path"], profile in json.dumps(recorded["headers"]), "billing_policy" in recorded["body"]), ("/v1/messages", True, True))
operator("POST", "/dev/faults", {"status": 529, "path": "/v1/messages"})
check("a fault", refusal(named), ("OverloadedError", "overloaded_error", None))

with open(os.environ["ROLLCALL_SDK_RESULTS"], "w", encoding="utf-8") as file:
    json.dump({"tests": checks}, file)
sys.exit(any(checks.values()))
