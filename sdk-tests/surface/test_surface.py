"""A tool that says "nothing changed" has to be held to the changes that it must see. Run by sdk-tests/drift --test."""

import copy
import json
import pathlib
import subprocess
import sys
import tempfile
import textwrap
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import harness  # noqa: E402
import python_surface  # noqa: E402
import surface  # noqa: E402

# What the two readers must make of the samples below: the same API, written as each SDK writes it.
SAMPLE_OPERATIONS = {
    "beta.user_profiles.list": {
        "route": "GET /v1/user_profiles",
        "betas": ["user-profiles-2026-08-18"],
        "parameters": {"header.anthropic-beta?": "[beta]", "header.anthropic-workspace-id?": "string", "query.order?": '"asc"|"desc"'},
        "answer": "PageCursor<BetaUserProfile>",
    },
    "beta.user_profiles.update": {
        "route": "POST /v1/user_profiles/{user_profile_id}",
        "betas": ["user-profiles-2026-08-18"],
        "parameters": {"body.details?": "Details", "body.name": "null|string", "header.anthropic-beta?": "[beta]", "path.user_profile_id": "string"},
        "answer": "BetaUserProfile",
    },
}
SAMPLE_TYPES = {
    "BetaUserProfile": {"id": "string", "metadata": "{string}", "tags?": "[Tag]"},
    "Details": {"kind": '"a"|"b"', "next?": "Details"},
    "PageCursor": {"data": "[Item]", "next_page": "null|string"},
    "Tag": '"x"|"y"',
}

PYTHON = {
    "_version.py": '__version__ = "9.9.9"',
    "_constants.py": 'API_VERSION = "2026-10-21"',
    "_exceptions.py": "class BadRequestError(Exception): ...",
    "_error_classes.py": """
        from ._exceptions import BadRequestError
        from .types.shared.on_hold_error import OnHoldError
        ERROR_CLASSES: dict[tuple[int, str | None], type] = {(400, None): BadRequestError, (400, "organization_on_hold"): OnHoldError}
        """,
    "_base_client.py": """
        def platform_headers(version):
            return {"X-Stainless-Lang": "python", "X-Stainless-OS": str(version)}
        class BaseClient:
            def default_headers(self):
                return {"Accept": "application/json", **platform_headers(1)}
        """,
    "_client.py": """
        from ._constants import API_VERSION
        class Anthropic:
            def _api_key_auth(self):
                return {"Authorization": f"Bearer {self.api_key}"}
            def _bearer_auth(self):
                return {}
            def default_headers(self):
                return {**super().default_headers, "anthropic-version": API_VERSION}
        """,
    "lib/credentials/_auth.py": """
        OAUTH = "oauth-2025-04-20"
        def apply(request):
            request.headers["anthropic-beta"] = OAUTH
        """,
    "pagination.py": """
        from typing import Generic, List, Optional, TypeVar
        _T = TypeVar("_T")
        class PageCursor(Generic[_T]):
            data: List[_T]
            next_page: Optional[str]
        """,
    "types/__init__.py": "from .tag import Tag as Tag",
    "types/anthropic_beta_param.py": """
        AnthropicBetaParam = Union[str, Literal["user-profiles-2026-08-18", "efs-2026-10-01"]]
        """,
    "types/tag.py": 'Tag: TypeAlias = Literal["x", "y"]',
    "types/details.py": """
        class Details(TypedDict, total=False):
            kind: Required[Literal["a", "b"]]
            next: "Details"
        """,
    "types/shared/error_type.py": 'ErrorType: TypeAlias = Literal["api_error"]',
    "types/shared/on_hold_error.py": "class OnHoldError(Exception): ...",
    "types/beta/beta_user_profile.py": """
        from .. import Tag
        class BetaUserProfile(BaseModel):
            id: str
            '''Not a field: a sentence about one.'''
            metadata: Dict[str, str]
            tags: Optional[List[Tag]] | NotGiven = None
        """,
    "types/beta/beta_webhook_event_data.py": """
        from .opened import Opened
        BetaWebhookEventData: TypeAlias = Annotated[Union[Opened], UnionDiscriminator("type")]
        """,
    "types/beta/opened.py": """
        class Opened(BaseModel):
            id: str
            type: Literal["user_profile.opened"]
        """,
    "resources/beta/user_profiles/user_profiles.py": """
        from ....pagination import PageCursor
        from ....types.details import Details
        from ....types.anthropic_beta_param import AnthropicBetaParam
        from ....types.beta.beta_user_profile import BetaUserProfile
        class UserProfiles(SyncAPIResource):
            def update(self, user_profile_id: str, *, name: Optional[str], details: Details | Omit = omit,
                       betas: List[AnthropicBetaParam] | Omit = omit, extra_headers: Headers | None = None) -> BetaUserProfile:
                extra_headers = {**strip({"anthropic-beta": ",".join(chain(betas, ["user-profiles-2026-08-18"])) if betas else not_given})}
                return self._post(path_template("/v1/user_profiles/{user_profile_id}", user_profile_id=user_profile_id),
                                  body={"name": name, "details": details}, cast_to=BetaUserProfile)
            def list(self, *, order: Literal["desc", "asc"] | Omit = omit, betas: List[AnthropicBetaParam] | Omit = omit,
                     workspace_id: str | Omit = omit, extra_headers: Headers | None = None) -> PageCursor[BetaUserProfile]:
                extra_headers = {**strip({"anthropic-beta": ",".join(chain(betas, ["user-profiles-2026-08-18"])), "anthropic-workspace-id": workspace_id})}
                return self._get_api_list("/v1/user_profiles", page=PageCursor[BetaUserProfile],
                                          options=make_request_options(query={"order": order}), model=BetaUserProfile)
        class AsyncUserProfiles(AsyncAPIResource):
            def update(self):
                return self._post(self.computed())
        """,
}  # fmt: skip

TYPESCRIPT = {
    "package.json": '{"version": "9.9.9"}',
    "src/client.ts": """
        import { OAUTH } from './lib/credentials/types';
        class Client {
          apiKeyAuth() { return buildHeaders([{ Authorization: `Bearer ${this.apiKey}` }]); }
          bearerAuth() { return undefined; }
          buildHeaders() { return buildHeaders([{ Accept: 'application/json', 'anthropic-version': '2026-10-21' }]); }
          prepare(headers) { headers.set('anthropic-beta', OAUTH); }
        }
        """,
    "src/lib/credentials/types.ts": "export const OAUTH = 'oauth-2025-04-20';",
    "src/internal/detect-platform.ts": "type PlatformProperties = { 'X-Stainless-Lang': 'js'; 'X-Stainless-OS': string };",
    "src/core/pagination.ts": "export class PageCursor<Item> extends AbstractPage<Item> { data: Array<Item>; next_page: string | null; method(): void {} }",
    "src/core/error-classes.ts": """
        import { OnHoldError } from '../resources/shared';
        export const ERROR_CLASSES = new Map([['400 organization_on_hold', OnHoldError]]);
        """,
    "src/resources/shared.ts": "export class OnHoldError {}\nexport type ErrorType = 'api_error';\nexport type Tag = 'x' | 'y';",
    "src/resources/beta/beta.ts": "export type AnthropicBeta = (string & {}) | 'user-profiles-2026-08-18' | 'efs-2026-10-01';",
    "src/resources/beta/webhooks.ts": """
        export interface Opened { id: string; type: 'user_profile.opened' }
        export type BetaWebhookEventData = | Opened;
        """,
    "src/resources/beta/user-profiles/user-profiles.ts": """
        import * as Shared from '../../shared';
        import * as BetaAPI from '../beta';
        import { PageCursor } from '../../../core/pagination';
        export class UserProfiles extends APIResource {
          update(userProfileID: string, params: UserProfileUpdateParams, options?: RequestOptions): APIPromise<BetaUserProfile> {
            const { betas, ...body } = params;
            return this._client.post(path`/v1/user_profiles/${userProfileID}`, { body, ...options,
              headers: buildHeaders([{ 'anthropic-beta': [...(betas ?? []), 'user-profiles-2026-08-18'].toString() }, options?.headers]) });
          }
          list(params: UserProfileListParams | null | undefined = {}, options?: RequestOptions): PagePromise<Page, BetaUserProfile> {
            const { betas, workspace_id, ...query } = params ?? {};
            return this._client.getAPIList('/v1/user_profiles', PageCursor<BetaUserProfile>, { query, ...options,
              headers: buildHeaders([{ 'anthropic-beta': [...(betas ?? []), 'user-profiles-2026-08-18'].toString(),
                ...(workspace_id != null ? { 'anthropic-workspace-id': workspace_id } : undefined) }]) });
          }
        }
        export type Page = PageCursor<BetaUserProfile>;
        /** Not a field: { invented: string } */
        export interface BetaUserProfile { id: string; metadata: { [key: string]: string }; tags?: Array<Shared.Tag> }
        export interface Details { kind: 'b' | 'a'; next?: Details }
        export interface UserProfileUpdateParams { name: string | null; details?: Details; betas?: Array<BetaAPI.AnthropicBeta> }
        export interface UserProfileListParams { order?: 'asc' | 'desc'; betas?: Array<BetaAPI.AnthropicBeta>; workspace_id?: string }
        """,
}  # fmt: skip


def laid(files, directory):
    for name, text in files.items():
        path = pathlib.Path(directory) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")


def read_python(files):
    with tempfile.TemporaryDirectory() as directory:
        laid(files, directory)
        return python_surface.read(directory)


def read_typescript(files):
    node, _, environment = harness.node()
    with tempfile.TemporaryDirectory() as directory:
        laid(files, directory)
        done = subprocess.run([node, HERE / "typescript_surface.mjs", directory], capture_output=True, check=False, env=environment)
    if done.returncode != 0:
        raise python_surface.Unreadable(done.stderr.decode())
    return json.loads(done.stdout)


class Readers(unittest.TestCase):
    maxDiff = None

    def both(self):
        yield "python", surface.sort(read_python(PYTHON))["ours"]
        yield "npm", surface.sort(read_typescript(TYPESCRIPT))["ours"]

    def test_both_packages_of_one_api_give_one_surface(self):
        for package, ours in self.both():
            with self.subTest(package):
                types = json.loads(json.dumps(ours["types"]).replace("_T", "Item"))
                operations = copy.deepcopy(ours["operations"])
                # A Python model cannot tell "may be null" from "may be left out".
                types["BetaUserProfile"]["tags?"] = types["BetaUserProfile"]["tags?"].replace("null|", "").replace("|null", "")
                self.assertEqual(operations, SAMPLE_OPERATIONS)
                self.assertEqual(types, SAMPLE_TYPES)
                self.assertEqual(ours["betas"], ["efs-2026-10-01", "user-profiles-2026-08-18"])
                self.assertEqual(set(ours["senders"]), {"oauth-2025-04-20"})
                self.assertEqual(ours["headers"]["anthropic-version"], "2026-10-21")
                self.assertEqual(ours["headers"]["authorization (api_key_auth)"], "Bearer {}")
                self.assertEqual(ours["headers"]["x-stainless-os"], "varies")
                self.assertEqual(ours["events"], {"user_profile.opened": {"subscribable": False, "id": "string", "type": '"user_profile.opened"'}})
                self.assertEqual(ours["errors"], ["400 organization_on_hold"])
                self.assertEqual(ours["error_types"], ["api_error"])

    def test_what_is_not_understood_ends_the_run(self):
        file = "resources/beta/user_profiles/user_profiles.py"
        computed = PYTHON | {file: PYTHON[file].replace('self._get_api_list("/v1/user_profiles"', "self._get_api_list(self.where()")}
        with self.assertRaisesRegex(python_surface.Unreadable, "list: its path is written as"):
            read_python(computed)
        file = "src/resources/beta/user-profiles/user-profiles.ts"
        computed = TYPESCRIPT | {file: TYPESCRIPT[file].replace("getAPIList('/v1/user_profiles'", "getAPIList(where()")}
        with self.assertRaisesRegex(python_surface.Unreadable, "list: its path is written as"):
            read_typescript(computed)

    def test_a_package_without_our_paths_is_an_error(self):
        raw = read_python(PYTHON)
        raw["operations"] = {}
        with self.assertRaisesRegex(ValueError, "no operation under"):
            surface.sort(raw)

    def test_a_type_of_others_does_not_rename_ours(self):
        raw = read_python(PYTHON)
        before = surface.sort(raw)
        raw["types"]["@types/other.py:BetaUserProfile"] = {"fields": {"id": "string"}}
        self.assertEqual(surface.sort(raw)["ours"], before["ours"])

    def test_nothing_of_a_package_is_executed(self):
        loud = {name: f"raise SystemExit('executed')\n{textwrap.dedent(text)}" for name, text in PYTHON.items()}
        self.assertIn("beta.user_profiles.list", read_python(loud)["operations"])


class Pair(unittest.TestCase):
    """2.12.0 and 2.14.0 as they were published: extracts that the tool made."""

    def extract(self, version):
        return json.loads((HERE / f"fixtures/python-{version}.json").read_text(encoding="utf-8"))["python"]

    def test_from_2_12_to_2_14_it_names_two_betas_two_events_and_two_routes(self):
        told = surface.report({"python": surface.compare(self.extract("2.12.0"), self.extract("2.14.0"))}, {"python": ["2.12.0", "2.14.0"]})
        path = "/v1/user_profiles/{user_profile_id}/providers/google/data_controls"
        self.assertEqual(
            [(entry["kind"], entry["name"]) for entry in told["ours"]["added"]],
            [
                ("beta", "efs-2026-10-01"),
                ("beta", "google-managed-data-controls-2026-09-01"),
                ("event", "external_storage.failed"),
                ("event", "external_storage.recovered"),
                ("route", f"GET {path}"),
                ("route", f"POST {path}"),
            ],
        )
        self.assertEqual((told["ours"]["removed"], told["ours"]["changed"]), ([], []))
        for entry in told["ours"]["added"][-2:]:
            self.assertEqual(entry["betas"], ["google-managed-data-controls-2026-09-01", "user-profiles-2026-09-04"])
            self.assertEqual(entry["answer"], "BetaGoogleManagedDataControls")
            self.assertIn("BetaGoogleManagedStorageFailedCheck", entry["types"])
            self.assertEqual(entry["codes"], ["400 cmek_not_approved", "400 storage_not_approved"])
        self.assertTrue(surface.differs(told))
        self.assertIn("added    beta       efs-2026-10-01  [python]", surface.text(told))

    def test_backwards_it_names_the_same_as_removed(self):
        changes = surface.compare(self.extract("2.14.0"), self.extract("2.12.0"))
        self.assertEqual({change["change"] for change in changes}, {"removed"})
        named = {change["name"] for change in changes if change["kind"] not in ("type", "error")}
        self.assertEqual(len(named), 6)

    def test_what_is_checked_in_has_no_difference_to_itself(self):
        checked_in = json.loads((HERE / "surface.json").read_text(encoding="utf-8"))
        for whole in checked_in.values():
            self.assertEqual(surface.compare(whole, copy.deepcopy(whole)), [])


class Changes(unittest.TestCase):
    """Each kind of change, alone, in the surface that is checked in."""

    def setUp(self):
        self.old = json.loads((HERE / "surface.json").read_text(encoding="utf-8"))["python"]
        self.new = copy.deepcopy(self.old)

    def told(self):
        return [(change["group"], change["change"], change["kind"], change["name"]) for change in surface.compare(self.old, self.new)]

    def test_every_kind_of_change_of_ours_is_told_once(self):
        create = "user_profiles.create"

        def parameters(method):
            return self.new["ours"]["operations"][method]["parameters"]

        def moved():
            parameters("user_profiles.list")["body.limit?"] = parameters("user_profiles.list").pop("query.limit?")

        cases = [
            (lambda: self.new["ours"]["betas"].remove("webhooks-2026-10-07"), [("removed", "beta", "webhooks-2026-10-07")]),
            (lambda: self.new["ours"]["senders"].update({"next-2027-01-01": ["client"]}), [("added", "sender", "next-2027-01-01")]),
            (lambda: self.new["ours"]["senders"]["oauth-2025-04-20"].append("client"), [("changed", "sender", "oauth-2025-04-20")]),
            (lambda: self.new["ours"]["headers"].update({"anthropic-version": "2027-01-01"}), [("changed", "header", "anthropic-version")]),
            (lambda: self.new["ours"]["headers"].update({"x-new": "1"}), [("added", "header", "x-new")]),
            (lambda: self.new["ours"]["error_types"].remove("conflict_error"), [("removed", "error type", "conflict_error")]),
            (lambda: self.new["ours"]["errors"].append("400 user_profile_new"), [("added", "error", "400 user_profile_new")]),
            (lambda: self.new["ours"]["events"].pop("external_key.failed"), [("removed", "event", "external_key.failed")]),
            (lambda: self.new["ours"]["events"]["external_key.failed"].update({"more": "string"}), [("changed", "event", "external_key.failed")]),
            (lambda: parameters(create).update({"body.nickname?": "string"}), [("added", "parameter", f"{create} body.nickname")]),
            (lambda: parameters(create).update({"body.name": parameters(create).pop("body.name?")}), [("changed", "parameter", f"{create} body.name")]),
            (moved, [("added", "parameter", "user_profiles.list body.limit"), ("removed", "parameter", "user_profiles.list query.limit")]),
            (lambda: self.new["ours"]["operations"][create].update(betas=["next-2027-01-01"]), [("changed", "operation", f"{create} (betas)")]),
            (lambda: self.new["ours"]["operations"][create].update(route="PUT /v1/user_profiles"), [("changed", "operation", f"{create} (route)")]),
            (lambda: self.new["ours"]["operations"][create].update(answer="BetaUserProfile"), [("changed", "answer", f"{create} (answer)")]),
            (lambda: self.new["ours"]["operations"].pop("beta.user_profiles.create_enrollment_url"), [("removed", "route", "POST /v1/user_profiles/{user_profile_id}/enrollment_url")]),
            (lambda: self.new["ours"]["operations"].pop(create), [("removed", "operation", create)]),
            (lambda: self.new["ours"]["operations"].update({"user_profiles.make": self.new["ours"]["operations"][create]}), [("added", "operation", "user_profiles.make")]),
            (lambda: self.new["ours"]["types"]["UserProfile"].update({"more?": "string"}), [("added", "field", "UserProfile more")]),
            (lambda: self.new["ours"]["types"]["UserProfile"].update({"id": "null|string"}), [("changed", "field", "UserProfile id")]),
            (lambda: self.new["ours"]["types"].update({"UserProfileAccessType": '"application"'}), [("changed", "type", "UserProfileAccessType")]),
        ]  # fmt: skip
        for change, expected in cases:
            with self.subTest(expected):
                self.setUp()
                change()
                self.assertEqual(self.told(), [("ours", *entry) for entry in expected])

    def test_changes_of_others_are_theirs(self):
        self.new["neighbour"]["operations"].popitem()
        self.new["elsewhere"]["operations"]["beta.models.list"] = "00000000"
        self.new["elsewhere"]["errors"].append("400 something_new")
        self.assertEqual([entry[0] for entry in self.told()], ["neighbour", "elsewhere", "elsewhere"])
        self.assertFalse(surface.differs(surface.report({"python": surface.compare(self.old, self.new)}, {"python": ["1", "2"]})))

    def test_an_operation_that_comes_to_name_profiles_is_told_once(self):
        name = next(iter(self.old["elsewhere"]["operations"]))
        self.new["elsewhere"]["operations"].pop(name)
        self.new["neighbour"]["operations"][name] = {"route": "GET /v1/x", "betas": [], "parameters": {}, "answer": "any"}
        self.assertEqual(self.told(), [("neighbour", "changed", "operation", name)])

    def test_a_change_in_both_packages_is_one_entry(self):
        self.new["ours"]["betas"].append("next-2027-01-01")
        changes = surface.compare(self.old, self.new)
        told = surface.report({"python": changes, "npm": changes}, {"python": ["1", "2"], "npm": ["1", "2"]})
        self.assertEqual([entry["in"] for entry in told["ours"]["added"]], [["python", "npm"]])


if __name__ == "__main__":
    unittest.main()
