"""Every delivery is taken by the official SDK's `client.beta.webhooks.unwrap`, and nothing that was changed on its way.

A receiver of the standard library on loopback, one delivery for each type of event that Rollcall emits and a test
event; then the secret is replaced, and only the new one opens what comes after.
"""

import http.server
import json
import os
import queue
import subprocess
import sys
import threading
import urllib.request

from anthropic import Anthropic

base_url, admin_key = os.environ["TEST_API_BASE_URL"], os.environ["ROLLCALL_SDK_API_KEY"]
operator_key = os.environ["ROLLCALL_SDK_OPERATOR_KEY"]
checks = {}
received = queue.Queue()


def check(name, holds, seen=""):
    checks[name] = None if holds else f"does not hold: {seen}"
    if not holds:
        print(f"{name}: {checks[name]}")


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        received.put(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def operator(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{base_url}/operator/v1{path}", data=data, method=method)
    request.add_header("x-api-key", operator_key)
    request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = Anthropic(base_url=base_url, api_key=admin_key)
webhooks = client.beta.organization.webhooks
for endpoint in webhooks.list():
    webhooks.delete(endpoint.id)
types = ["user_profile.enforcement_action_opened", "user_profile.enforcement_action_resolved", "user_profile.program_status_updated"]
endpoint = webhooks.create(url=f"http://127.0.0.1:{server.server_port}/hooks", enabled_events=types)
organization = next(row["id"] for row in operator("GET", "/organizations")["data"])
profile = "uprof_webhooks"
operator("PUT", f"/user_profiles/{profile}", {"organization_id": organization})


def opens(name, key, delivery):
    """Holds one delivery against the SDK: taken as it is, refused when anything about it is another."""
    headers, body = delivery
    try:
        event = client.beta.webhooks.unwrap(body, headers=headers, key=key)
    except Exception as error:  # noqa: BLE001 - whatever it raises, the delivery was not taken
        check(f"{name}: taken", False, repr(error))
        return None
    check(f"{name}: taken", event.id == headers["webhook-id"], event)
    changes = {
        "body": (headers, body.replace("event", "tneve", 1)),
        "id": (headers | {"webhook-id": "whe_0"}, body),
        "timestamp": (headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}, body),
        "old timestamp": (headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) - 301)}, body),
        "signature": (headers | {"webhook-signature": "v1," + "A" * 43 + "="}, body),
    }
    for what, (changed_headers, changed_body) in changes.items():
        try:
            client.beta.webhooks.unwrap(changed_body, headers=changed_headers, key=key)
            check(f"{name}: changed {what} refused", False, "it was taken")
        except Exception:  # noqa: BLE001
            check(f"{name}: changed {what} refused", True)
    return event


action = operator("POST", f"/user_profiles/{profile}/enforcement_actions", {"type": "restriction", "reason": "high_harm"})
event = opens("opened", endpoint.signing_secret, received.get(timeout=10))
check("opened: names the action", event.data.enforcement_action_id == action["id"] and event.data.id == profile, event)
operator("POST", f"/enforcement_actions/{action['id']}/resolve", {})
event = opens("resolved", endpoint.signing_secret, received.get(timeout=10))
check("resolved: has its type", event.data.type == types[1], event)
operator("PUT", f"/user_profiles/{profile}/programs/cyber", {"status": "active"})
event = opens("program", endpoint.signing_secret, received.get(timeout=10))
check("program: has its type and no action", event.data.type == types[2] and "enforcement_action_id" not in event.to_json(), event)
operator("POST", f"/webhook_endpoints/{endpoint.id}/test")
opens("test event", endpoint.signing_secret, received.get(timeout=10))

replaced = webhooks.regenerate_signing_secret(endpoint.id).signing_secret
operator("POST", f"/webhook_endpoints/{endpoint.id}/test")
headers, body = received.get(timeout=10)
opens("after the replacement", replaced, (headers, body))
try:
    client.beta.webhooks.unwrap(body, headers=headers, key=endpoint.signing_secret)
    check("after the replacement: old secret refused", False, "it was taken")
except Exception:  # noqa: BLE001
    check("after the replacement: old secret refused", True)
check("nothing else arrived", received.empty(), "more deliveries")

# What `rollcall webhooks listen` hands on is still the server's own, and its secret opens it.
webhooks.delete(endpoint.id)
forward = f"http://127.0.0.1:{server.server_port}/hooks"
listen = [os.environ["ROLLCALL_SDK_PROGRAM"], "webhooks", "listen", "--url", base_url, "--admin-key", admin_key, "--count", "1", "--forward-to", forward]
with subprocess.Popen(listen, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as listener:
    said = iter(listener.stderr)
    secret = next(line for line in said if line.startswith("Its signing secret: ")).split()[-1]
    operator("PUT", f"/user_profiles/{profile}/programs/cyber", {"status": "rejected"})
    event = opens("handed on", secret, received.get(timeout=10))
    check("handed on: is the event", event is not None and event.data.id == profile, event)

with open(os.environ["ROLLCALL_SDK_RESULTS"], "w", encoding="utf-8") as file:
    json.dump({"tests": checks}, file)
sys.exit(any(checks.values()))
