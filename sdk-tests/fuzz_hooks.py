"""What a schema cannot say about a valid request, for schemathesis; see `sdk-tests/fuzz`.

A document says what each member may be, and a few rules depend on more than that: on the time, on what is stored, on
the path, on another member. A case that is meant to be valid is made to keep those rules here, one function for each;
a case that is meant to be refused is left alone, and no check is weakened.
"""

import datetime
import json
import os
import re
import zlib

import requests
import schemathesis

FAR = datetime.timedelta(days=365)
HOST = re.compile(r"[A-Za-z][A-Za-z0-9]{0,30}(\.[A-Za-z][A-Za-z0-9]{0,30})*")
URL_LIMIT = 2_048
# What the seeds hold.
SEEDED_ENDPOINT = "webhook_endpoint_id"
# Named in no path, so that it is there to the end.
KEPT_ENDPOINT = "webhook_endpoint_kept"
SEEDED_PROFILES = 50
SEEDED = {"user_profile_id": "uprof_fuzz_{}", "enforcement_action_id": "enac_fuzz_{}", "webhook_endpoint_id": SEEDED_ENDPOINT}
# An organization may have 32.
MADE_ENDPOINTS = 24
CHECK = "/gateway/v1/check"
ENDPOINTS = "/v1/organizations/webhooks"


def instant(text):
    """The instant of a timestamp, or none where Python's calendar does not reach (year 0, and beyond 9999 in UTC)."""
    try:
        return datetime.datetime.fromisoformat(text.replace("z", "Z").replace("t", "T")).astimezone(datetime.timezone.utc)
    except (ValueError, OverflowError):
        return None


def text(moment):
    return moment.isoformat().replace("+00:00", "Z")


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def stored_cursors_alone(case):
    """A cursor is sealed by the server: none can be made up. (Real ones are followed by the SDK suites.)"""
    case.query.pop("page", None)


def no_second_name_of_a_parameter(case):
    """`reference_id` is another name of `external_id`, a gateway is asked about one profile, and `program_status` belongs to `program`."""
    if case.query.get("external_id") or case.query.get("user_profile_id"):
        case.query.pop("reference_id", None)
    if not case.query.get("program"):
        case.query.pop("program_status", None)


def instants_of_the_calendar(value):
    """A timestamp lies within the years 1 to 9999 in UTC."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in list(members):
        if isinstance(name, str) and (name.endswith("_at") or name == "now") and isinstance(member, str):
            if instant(member) is None:
                value[name] = "2001-02-03T04:05:06.789+10:11"
        else:
            instants_of_the_calendar(member)


def onboarded_in_the_past(body):
    """A time of onboarding is at most a minute in the future."""
    for holder, name in ((body, "external_user_onboarded_at"), (body.get("external_user_details"), "onboarded_at")):
        if isinstance(holder, dict) and isinstance(holder.get(name), str) and instant(holder[name]) > now():
            holder[name] = text(now() - FAR)


def expires_in_the_future(body):
    """An action that is opened, or a key that is made, expires after now."""
    if isinstance(body.get("expires_at"), str) and instant(body["expires_at"]) <= now() + FAR:
        body["expires_at"] = text(now() + FAR)


def few_keys_to_add(body):
    """An update adds its metadata to what is stored, and there is room for 16 keys in all. What keys may be, creates show."""
    if isinstance(body.get("metadata"), dict):
        body["metadata"] = {f"key-{zlib.crc32(key.encode('utf-8', 'replace')) % 8}": value for key, value in body["metadata"].items()}


def workspaces_of_the_organization(body):
    """A key is bound to a workspace that is there."""
    body.pop("workspace_id", None)


def without_nul(value):
    """No text has U+0000, nor has a text in what may be anything."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [without_nul(element) for element in value]
    return {without_nul(name): without_nul(member) for name, member in value.items()} if isinstance(value, dict) else value


def profile_named_once(case, body):
    """A request for inference names its profile in its header or its body, or the same in both; who pays is said under a beta alone."""
    body.pop("billing_policy", None)
    if (case.headers or {}).get("anthropic-user-profile-id"):
        body.pop("user_profile_id", None)


def identifiers_that_are_there(case):
    """Half of the cases are about something that is there; what ids there are no schema can say."""
    for name, seeded in SEEDED.items():
        made_up = (case.path_parameters or {}).get(name)
        chosen = zlib.crc32(made_up.encode("utf-8", "replace")) if isinstance(made_up, str) else 1
        if chosen % 2 == 0:
            case.path_parameters[name] = seeded.format(chosen // 2 % SEEDED_PROFILES)


def record_of_the_path(case, body):
    """A record is an organization's that is there, says its path's id, and was not updated before it was created; nor does an action's id stand twice."""
    body["organization_id"] = os.environ["FUZZ_ORGANIZATION"]
    if "id" in body:
        body["id"] = case.path_parameters["user_profile_id"]
    created, updated = body.get("created_at"), body.get("updated_at")
    if isinstance(updated, str) and instant(updated) < (instant(created) if isinstance(created, str) else now()):
        del body["updated_at"]
    seen = set()
    for action in body.get("enforcement_actions") or ():
        if action.get("id") in seen:
            del action["id"]
        elif "id" in action:
            seen.add(action["id"])


def parts_of_the_program(case, body):
    """Which parts a standing has depends on the program in the path."""
    parts = {"cyber": {"status", "tiers", "requirements"}, "efs": {"status", "features"}}
    kept = parts.get(case.path_parameters["name"], {"status"})
    for name in set(body) - kept:
        del body[name]


def endpoints_that_are_there(case):
    """A list of endpoints goes on beside one of the organization, or from its start, and not in two directions at once."""
    case.query.pop("after_id", None)
    if case.query.get("before_id"):
        case.query["before_id"] = KEPT_ENDPOINT


def address_of_the_web(body):
    """The host of a URL is a name or an address as RFC 3986 and its successors have it; the rest of the URL stays."""
    if isinstance(body.get("url"), str):
        scheme, _, rest = body["url"].partition("://")
        host = rest.replace("?", "/", 1).partition("/")[0]
        if not HOST.fullmatch(host):
            rest = "hooks.example.com/" + rest.replace("@", "").replace("/", "")
        body["url"] = f"{scheme}://{rest}"[:URL_LIMIT]


def something_for_a_region(body):
    """A control that is on gives some region something; few things are given, because too many may not retire; a bucket serves one region."""
    for control, member in (("cmek", "external_key_ids"), ("storage", "buckets")):
        sent = body.get(control)
        if not isinstance(sent, dict) or sent.get("type") != "enabled":
            continue
        given = sent.get(member) or {}
        if not any(given.values()):
            given["us"] = "us"
        for region, it in given.items():
            chosen = zlib.crc32(str(it).encode("utf-8", "replace")) % 4
            if it is not None:
                given[region] = f"ekey_fuzz_{chosen}" if control == "cmek" else {"bucket_name": f"fuzz-{region}-{chosen}", "project_number": str(chosen)}
        sent[member] = given


def controls_of_the_path(case, controls):
    """The controls of a record are those of its path's profile, a bucket serves one region, and an active key is applied."""
    if "user_profile_id" in controls:
        controls["user_profile_id"] = case.path_parameters["user_profile_id"]
    storage = controls.get("storage") or {}
    for region, bucket in (storage.get("buckets") or {}).items():
        bucket["bucket_name"] = f"fuzz-{region}"
    for control, effective in ((storage, "effective_bucket"), (controls.get("cmek") or {}, "effective_external_key_id")):
        for status in (control.get("status") or {}).values():
            for it in (status, status.get("otherwise")):
                if isinstance(it, dict):
                    it.pop(effective, None)


def rows_under_a_header(case):
    """A CSV begins with names of fields; what stands in its cells may be anything."""
    cell = case.body if isinstance(case.body, str) else json.dumps(case.body, default=str)
    case.body = 'name,metadata.note\r\nAna,"' + cell.replace('"', '""') + '"\r\n'


def workspace_that_is_there(case):
    """The coverage phase fills this header with "0" in all its cases, whatever its pattern, which would hide what each is about."""
    if case.headers and case.headers.get("anthropic-workspace-id") == "0":
        case.headers["anthropic-workspace-id"] = os.environ["FUZZ_WORKSPACE"]


def only_what_is_looked_at(case):
    """With an id a gateway's reference might be anything, and so might a password beside its key."""
    if case.headers and case.operation.path == CHECK:
        case.headers.pop("Authorization", None)
        if case.headers.get("x-rollcall-reference-id"):
            case.headers.pop("x-rollcall-user-profile-id", None)


@schemathesis.hook
def filter_case(context, case):
    """Without the header that chooses the dialect a request is another document's, and rightly accepted there. The check answers every method."""
    if case.operation.path == CHECK and case.method.upper() != "GET":
        return False
    about = case.meta.phase.data if case.meta else None
    return getattr(about, "parameter", None) != "anthropic-beta" or "Missing" not in (getattr(about, "description", None) or "")


@schemathesis.hook
def map_case(context, case):
    workspace_that_is_there(case)
    only_what_is_looked_at(case)
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return case
    path, body = case.operation.path, case.body
    identifiers_that_are_there(case)
    stored_cursors_alone(case)
    no_second_name_of_a_parameter(case)
    endpoints_that_are_there(case)
    for name in ("created_after", "created_before", "after", "before"):
        if case.query.get(name) and instant(case.query[name]) is None:
            del case.query[name]
    if case.media_type == "text/csv":
        rows_under_a_header(case)
        return case
    if not isinstance(body, dict):
        return case
    instants_of_the_calendar(body)
    if path.endswith("/{user_profile_id}") and case.method.upper() == "POST":
        few_keys_to_add(body)
    if path.startswith(ENDPOINTS):
        address_of_the_web(body)
    elif path.endswith("/data_controls"):
        something_for_a_region(body)
    elif path.startswith("/v1/messages"):
        case.body = without_nul(body)
        profile_named_once(case, case.body)
    elif path.startswith("/v1/"):
        onboarded_in_the_past(body)
    elif path.endswith("/enforcement_actions"):
        expires_in_the_future(body)
    elif path.endswith("/api_keys"):
        expires_in_the_future(body)
        workspaces_of_the_organization(body)
    elif path.endswith("/operator_keys"):
        expires_in_the_future(body)
    elif path.endswith("/programs/{name}"):
        parts_of_the_program(case, body)
    elif path.endswith("/{user_profile_id}") and case.method.upper() == "POST":
        onboarded_in_the_past(body)
    elif case.method.upper() == "PUT":
        record_of_the_path(case, body)
        if isinstance(body.get("google_data_controls"), dict):
            controls_of_the_path(case, body["google_data_controls"])
        onboarded_in_the_past(body)
    return case


@schemathesis.hook
def before_call(context, case, kwargs):
    """The document's own examples pass by `map_case`; what they name is made to be there all the same. Nor may the operator's key end itself."""
    for name in ("api_key_id", "operator_key_id"):
        if (case.path_parameters or {}).get(name) == os.environ["FUZZ_OPERATOR_KEY"]:
            case.path_parameters[name] += "x"
    if case.meta is not None and case.meta.phase.name.value == "examples":
        map_case(context, case)


@schemathesis.hook
def after_call(context, case, response):
    """How many endpoints an organization has is not for a schema to say: the oldest that were made make room."""
    if case.method.upper() != "POST" or case.operation.path != ENDPOINTS or response.status_code != 200:
        return
    sent = response.request
    headers = {name: sent.headers[name] for name in ("x-api-key", "authorization", "anthropic-version", "anthropic-beta") if name in sent.headers}
    url = sent.url.partition("?")[0]
    listed = requests.get(url, params={"limit": 100, "order": "asc"}, headers=headers, timeout=30).json()["data"]
    made = [endpoint["id"] for endpoint in listed if endpoint["id"] not in (SEEDED_ENDPOINT, KEPT_ENDPOINT)]
    for oldest in made[: max(0, len(made) - MADE_ENDPOINTS)]:
        requests.delete(f"{url}/{oldest}", headers=headers, timeout=30)


@schemathesis.serializer("application/x-ndjson", "text/csv")
def lines(context, value):
    return value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else json.dumps(value).encode()
