"""The judge has to be right before its verdicts are worth anything. Run by sdk-tests/run before the suites."""

import copy
import unittest

from verdict import VARIANTS, judge, judge_checks, table

FILE = "tests/test_profiles.py"
SUITE = {
    "name": "python",
    "version": "1.0.0",
    "dialect": "ga",
    "files": {FILE: 10},
    "rejects": [{"file": FILE, "test": "test_list_all", "because": ["limit", "page"]}],
}
REFUSED = {
    "outcome": "failed",
    "phase": "call",
    "exception": "BadRequestError",
    "status": 400,
    "error_type": "invalid_request_error",
    "message": "limit: must be an integer from 1 to 100",
}


def node(cls, test, variant):
    return f"{FILE}::{cls}UserProfiles::{test}[{variant}]"


def good_run():
    tests = {node(cls, "test_get", variant): {"outcome": "passed", "phase": "call"} for cls, variant in VARIANTS}
    tests |= {node(cls, "test_list_all", variant): dict(REFUSED) for cls, variant in VARIANTS}
    return tests


class Judge(unittest.TestCase):
    def changed(self, name, **change):
        tests = good_run()
        tests[name].update(change)
        return judge(SUITE, tests)

    def test_a_run_that_is_as_it_must_be(self):
        verdict = judge(SUITE, good_run())
        self.assertEqual((verdict.passed, verdict.rejected, verdict.failed, verdict.problems), (5, 5, [], []))
        self.assertTrue(verdict.good)

    def test_accepting_what_must_be_refused_fails(self):
        verdict = self.changed(node("Test", "test_list_all", "loose"), outcome="passed")
        self.assertEqual((verdict.rejected, len(verdict.failed)), (4, 1))
        self.assertFalse(verdict.good)

    def test_refusing_what_must_pass_fails(self):
        verdict = self.changed(node("Test", "test_get", "strict"), **REFUSED)
        self.assertEqual((verdict.passed, len(verdict.failed)), (4, 1))

    def test_a_refusal_needs_its_status_type_and_reason(self):
        name = node("TestAsync", "test_list_all", "aiohttp")
        for change in (
            {"status": 422, "exception": "UnprocessableEntityError"},
            {"status": 500, "exception": "InternalServerError", "error_type": "api_error"},
            {"status": None, "exception": "AssertionError", "error_type": None},
            {"error_type": "not_found_error"},
            {"message": "order: must be one of: asc, desc"},
            {"message": "limits: not this one"},
            {"message": None},
            {"phase": "setup"},
            {"outcome": "skipped"},
        ):
            with self.subTest(change):
                verdict = self.changed(name, **change)
                self.assertEqual((verdict.rejected, len(verdict.failed)), (4, 1))

    def test_the_reason_may_name_a_member_below_it(self):
        verdict = self.changed(node("Test", "test_list_all", "loose"), message="page.version: unknown")
        self.assertTrue(verdict.good)

    def test_a_skip_is_no_pass(self):
        verdict = self.changed(node("Test", "test_get", "loose"), outcome="skipped", phase="setup")
        self.assertEqual((verdict.passed, len(verdict.failed)), (4, 1))

    def test_tests_that_did_not_run_are_noticed(self):
        tests = good_run()
        del tests[node("Test", "test_get", "loose")]
        self.assertFalse(judge(SUITE, tests).good)
        tests = good_run()
        del tests[node("Test", "test_list_all", "loose")]
        self.assertEqual(len(judge(SUITE, tests).problems), 2)
        self.assertFalse(judge(SUITE, {}).good)

    def test_a_stray_file_is_noticed(self):
        tests = good_run() | {"tests/other.py::TestX::test_y": {"outcome": "passed", "phase": "call"}}
        self.assertFalse(judge(SUITE, tests).good)

    def test_checks_of_ours_are_counted(self):
        suite = {"checks": 2}
        self.assertTrue(judge_checks(suite, {"a": None, "b": None}).good)
        self.assertFalse(judge_checks(suite, {"a": None}).good)
        self.assertEqual(judge_checks(suite, {"a": None, "b": "no"}).failed, ["b: no"])

    def test_the_table_adds_up(self):
        verdict = judge(SUITE, good_run())
        lines = table([(SUITE, verdict), (SUITE, copy.deepcopy(verdict))])
        self.assertEqual(lines[-1].split(), ["total", "10", "10", "0"])
        self.assertEqual(len(lines), 6)


if __name__ == "__main__":
    unittest.main()
