"""What a newcomer types first, in both namespaces of the newest SDK: create a profile, list, and find it there."""

import json
import os
import sys

from anthropic import Anthropic

base_url, api_key = os.environ["TEST_API_BASE_URL"], os.environ["ROLLCALL_SDK_API_KEY"]
checks = {}


def check(name, fault):
    checks[name] = fault
    if fault:
        print(f"{name}: {fault}")


client = Anthropic(base_url=base_url, api_key=api_key)
created = client.user_profiles.create(name="Ana Ferreira", external_user_details={"reference_id": "user_4410"})
listed = [(profile.id, profile.name) for profile in client.user_profiles.list()]

check("create", None if created.external_user_details.reference_id == "user_4410" else f"answered {created!r}")
check("list", None if (created.id, "Ana Ferreira") in listed else f"{created.id} is not in {listed}")

older = client.beta.user_profiles.create(name="Nordlicht Analytics GmbH", external_id="acct_88213")
listed = {profile.id: profile for profile in client.beta.user_profiles.list()}

check("beta create", None if older.external_id == "acct_88213" else f"answered {older!r}")
both = created.id in listed and older.id in listed and listed[created.id].external_id == "user_4410"
check("beta list", None if both else f"{created.id} and {older.id} are not both in {sorted(listed)}")

with open(os.environ["ROLLCALL_SDK_RESULTS"], "w", encoding="utf-8") as file:
    json.dump({"tests": checks}, file)
sys.exit(any(checks.values()))
