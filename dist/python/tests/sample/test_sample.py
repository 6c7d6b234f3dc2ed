"""Thirty tests that share nothing but a server. From the ninth on they wait for SAMPLE_RELEASED, so that whoever kills
the run can tell that it is in the middle."""

from __future__ import annotations

import os
import pathlib
import time

import pytest

from rollcall_server import Rollcall, Tenant

DONE = pathlib.Path(os.environ["SAMPLE_DONE"])
RELEASED = pathlib.Path(os.environ["SAMPLE_RELEASED"])


@pytest.mark.parametrize("number", range(30))
def test_a_profile_is_alone_in_its_organization(rollcall: Rollcall, rollcall_tenant: Tenant, number: int) -> None:
    end = time.monotonic() + 60
    while len(list(DONE.iterdir())) >= 8 and not RELEASED.exists() and time.monotonic() < end:
        time.sleep(0.01)
    key = rollcall_tenant.api_key
    rollcall.call("POST", "/v1/user_profiles", key, {"name": f"Number {number}"})
    listed = rollcall.call("GET", "/v1/user_profiles?beta=true", key)["data"]
    assert [profile["name"] for profile in listed] == [f"Number {number}"]
    (DONE / str(number)).touch()
