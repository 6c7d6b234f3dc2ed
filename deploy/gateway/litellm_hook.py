"""LiteLLM's proxy in front of inference: each request is judged by Rollcall first. See docs/guides/gateway.md.

Put this file beside LiteLLM's configuration and name it there:

    litellm_settings:
      callbacks: litellm_hook.rollcall

Your application names its end user in `x-rollcall-reference-id`, by your own id. LiteLLM does not hand
`anthropic-user-profile-id` on by itself; the hook adds it. A refusal keeps its status and type; LiteLLM's form of an
error has no room for the code but `param`.
"""

import asyncio
import json
import os
import re
import time

import httpx
from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy._types import ProxyException

REFERENCE = "x-rollcall-reference-id"
PROFILE = "anthropic-user-profile-id"


class Rollcall(CustomLogger):
    def __init__(self):
        super().__init__()
        self.url = os.environ.get("ROLLCALL_URL", "http://127.0.0.1:8787") + "/gateway/v1/check"
        # A key of the kind gateway: rollcall keys create --kind gateway …
        self.key = os.environ["ROLLCALL_GATEWAY_KEY"]
        # Without Rollcall nothing passes. With ROLLCALL_FAIL_OPEN=1 everything does, in nobody's name.
        self.fail_open = os.environ.get("ROLLCALL_FAIL_OPEN") == "1"
        self.passed = {}  # reference -> the profile's id, and until when that holds

    async def async_pre_call_hook(self, user_api_key_dict, cache, data, call_type):
        if call_type == "pass_through_endpoint":
            # LiteLLM hands on whatever a client sends there, and the hook sees no headers.
            raise ProxyException("Requests that are passed through cannot be judged", "permission_error", None, 403)
        sent = {name.lower(): value for name, value in (data.get("proxy_server_request") or {}).get("headers", {}).items()}
        profile = await self.judge(sent.get(REFERENCE, ""))
        # What the client itself sent does not get through, under whatever name.
        for place in ("headers", "extra_headers"):
            headers = data.get(place) or {}
            data[place] = {name: value for name, value in headers.items() if name.lower() not in (PROFILE, REFERENCE)}
        data.pop("user_profile_id", None)
        if isinstance(data.get("extra_body"), dict):
            data["extra_body"].pop("user_profile_id", None)
        if profile:
            data["extra_headers"][PROFILE] = profile
        return data

    async def judge(self, reference):
        profile, until = self.passed.get(reference, (None, 0))
        if time.monotonic() < until:
            return profile
        asked = {"x-rollcall-gateway-key": self.key, REFERENCE: reference.encode()}
        began = time.monotonic()
        try:
            async with httpx.AsyncClient(timeout=5) as client:
                answer = await client.get(self.url, headers=asked)
        except httpx.HTTPError as error:
            return self.away(str(error))
        if answer.status_code >= 500:
            return self.away(answer.text)
        if answer.status_code != 200:
            error = answer.json()["error"]
            code = (error.get("details") or {}).get("error_code")
            raise ProxyException(error["message"], error["type"], code, answer.status_code)
        profile = answer.headers.get(PROFILE)
        seconds = re.search(r"max-age=(\d+)", answer.headers.get("cache-control", ""))
        if len(self.passed) > 100_000:
            self.passed.clear()
        self.passed[reference] = (profile, began + int(seconds[1] if seconds else 0))
        return profile

    def away(self, why):
        if self.fail_open:
            return None
        raise ProxyException(f"Rollcall cannot be asked: {why}", "overloaded_error", None, 503)


rollcall = Rollcall()
