"""docs/coverage.md is what the surface and the published documents say, and says of each field what they say."""

import copy
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import coverage  # noqa: E402
import surface  # noqa: E402


class Coverage(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        self.surfaces = json.loads((surface.HERE / "surface.json").read_text(encoding="utf-8"))
        self.documents = {name: json.loads((coverage.ROOT / f"docs/openapi/{name}.json").read_text(encoding="utf-8")) for name in coverage.DOCUMENTS}
        self.errors = (coverage.ROOT / "docs/reference/errors.md").read_text(encoding="utf-8")
        self.settings = copy.deepcopy(surface.OURS)

    def rows(self):
        text = coverage.Coverage(self.surfaces, self.documents, self.errors, self.settings).text()
        rows, section = {}, ""
        for line in text.splitlines():
            if line.startswith("## "):
                section = line[3:].strip("`")
            elif line.startswith("| ") and "---" not in line:
                cells = [cell.strip().strip("`") for cell in line.replace("\\|", "¦").strip("|").split("|")]
                rows[(section, cells[0], cells[1]) if len(cells) == 4 else (section, cells[0])] = cells[-1]
        return rows

    def test_the_file_says_what_holds_now(self):
        self.assertEqual(coverage.FILE.read_text(encoding="utf-8"), coverage.made(), "run sdk-tests/drift --coverage")

    def test_a_field_is_answered_where_the_documents_have_it(self):
        rows = self.rows()
        self.assertEqual(rows["POST /v1/user_profiles", "body", "external_user_details.country"], "answered: 2026-09-04, ga")
        self.assertEqual(rows["POST /v1/user_profiles", "body", "external_id"], "answered: 2026-03-24, 2026-08-18")
        self.assertEqual(rows["GET /v1/user_profiles", "query", "enforcement_status"], "answered: ga")
        self.assertEqual(rows["GET /v1/user_profiles", "answer", "data[].enforcement_actions[].reason"], "answered: ga")
        self.assertEqual(rows["GET /v1/organizations/webhooks", "answer", "has_more"], "answered: webhooks")
        self.assertTrue(rows["GET /v1/user_profiles", "answer", "data[].programs.efs.features"].startswith("refused on purpose: only a get"))

    def test_a_field_that_the_documents_lose_is_not_yet(self):
        del self.documents["ga"]["components"]["schemas"]["UserProfileCreate"]["properties"]["name"]
        for name in ("2026-03-24", "2026-08-18", "2026-09-04"):
            del self.documents[name]["components"]["schemas"]["UserProfileCreate"]["properties"]["name"]
        del self.documents["ga"]["paths"]["/v1/user_profiles/{user_profile_id}/action_urls"]
        rows = self.rows()
        self.assertEqual(rows["POST /v1/user_profiles", "body", "name"], "not yet")
        self.assertEqual(rows["POST /v1/user_profiles/{user_profile_id}", "body", "name"], "answered: 2026-03-24, 2026-08-18, 2026-09-04, ga")
        self.assertEqual(rows["POST /v1/user_profiles/{user_profile_id}/action_urls", "body", "action"], "answered: 2026-03-24, 2026-08-18, 2026-09-04")

    def test_what_the_api_gains_is_not_yet_until_it_is_served(self):
        ours = self.surfaces["npm"]["ours"]
        ours["types"]["UserProfile"]["nickname?"] = "string"
        ours["types"]["UserProfileAccessType"] += '|"other"'
        ours["operations"]["user_profiles.fold"] = {"route": "POST /v1/user_profiles/{user_profile_id}/fold", "betas": [], "parameters": {"path.user_profile_id": "string"}, "answer": "UserProfile"}
        ours["events"]["user_profile.folded"] = {"subscribable": True, "id": "string"}
        ours["errors"].append("400 user_profile_folded")
        rows = self.rows()
        self.assertEqual(rows["GET /v1/user_profiles/{user_profile_id}", "answer", "nickname"], "not yet")
        self.assertIn("`other`: not yet", rows["POST /v1/user_profiles", "body", "access_type"])
        self.assertEqual(rows["POST /v1/user_profiles/{user_profile_id}/fold", "answer", "name"], "not yet")
        self.assertEqual(rows["Events", "user_profile.folded"], "not yet")
        self.assertEqual(rows["Error codes", "user_profile_folded"], "not yet")

    def test_a_field_of_one_alternative_is_found(self):
        of_all = self.documents["ga"]["components"]["schemas"]["UserProfileCreate"]
        name = of_all["properties"].pop("name")
        self.documents["ga"]["components"]["schemas"]["Named"] = {"anyOf": [{"type": "null"}], "properties": {"name": name}}
        of_all["oneOf"] = [{"$ref": "#/components/schemas/Named"}]
        self.assertEqual(self.rows()["POST /v1/user_profiles", "body", "name"], "answered: 2026-03-24, 2026-08-18, 2026-09-04, ga")

    def test_a_refusal_of_what_does_not_exist_is_an_error(self):
        self.settings["refused"]["event user_profile.never"] = "because"
        with self.assertRaisesRegex(ValueError, "user_profile.never"):
            self.rows()

    def test_a_new_neighbour_needs_a_reason(self):
        self.surfaces["npm"]["neighbour"]["operations"]["x.y"] = {"route": "GET /v2/x", "betas": [], "parameters": {}, "answer": "any"}
        with self.assertRaisesRegex(ValueError, "GET /v2/x names a user profile"):
            self.rows()


if __name__ == "__main__":
    unittest.main()
