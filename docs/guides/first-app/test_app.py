"""What the app says when a customer is banned; `rollcall` and `rollcall_client` come with `pip install rollcall-server`."""

from app import APOLOGIES, answer, profile_of


def test_a_customer_is_answered_until_banned_and_again_afterwards(rollcall, rollcall_client):
    usual = answer(rollcall_client, "customer-1", "How do you do?")
    assert usual and usual not in APOLOGIES.values()

    profile = profile_of(rollcall_client, "customer-1")
    ban = {"type": "ban", "reason": "usage_policy_violation"}
    action = rollcall.operator("POST", f"/user_profiles/{profile}/enforcement_actions", ban)
    assert answer(rollcall_client, "customer-1", "And now?") == APOLOGIES["user_profile_banned"]

    rollcall.operator("POST", f"/enforcement_actions/{action['id']}/resolve")
    assert answer(rollcall_client, "customer-1", "And now?") == usual


def test_a_suspended_customer_is_told_to_pay(rollcall_client):
    profile = profile_of(rollcall_client, "customer-2")
    rollcall_client.user_profiles.update(profile, external_user_details={"account_status": "suspended"})
    assert "bill" in answer(rollcall_client, "customer-2", "How do you do?")
