"""Judges the results of a suite against what the contract says must pass and must be refused. Pure: no I/O."""

import dataclasses
import re

# Every official test exists in these variants, so a test that must be refused must be refused this often.
VARIANTS = {
    ("Test", "loose"),
    ("Test", "strict"),
    ("TestAsync", "loose"),
    ("TestAsync", "strict"),
    ("TestAsync", "aiohttp"),
}

NODE = re.compile(r"(?P<file>[^:]+)::(?P<cls>TestAsync|Test)\w*::(?P<test>\w+)\[(?P<variant>\w+)\]")


@dataclasses.dataclass
class Verdict:
    """How a suite did. It is good when `failed` and `problems` are both empty."""

    passed: int = 0
    rejected: int = 0
    failed: list = dataclasses.field(default_factory=list)
    problems: list = dataclasses.field(default_factory=list)

    @property
    def wrong(self):
        """What the table counts as failed: a suite that could not be judged is no better than one that failed."""
        return len(self.failed) + len(self.problems)

    @property
    def good(self):
        return self.wrong == 0


def refusal_fault(result, because):
    """Why this result is not the refusal the contract demands, or None when it is."""
    if result["outcome"] == "passed":
        return "was accepted; it must be refused"
    if result["outcome"] != "failed" or result["phase"] != "call":
        return f"{result['outcome']} in {result['phase']}: {result.get('text', '')}"
    seen = (result.get("exception"), result.get("status"), result.get("error_type"))
    if seen != ("BadRequestError", 400, "invalid_request_error"):
        return "must be refused with 400 invalid_request_error, but was {} {} {}: {}".format(*seen, result.get("text", ""))
    # `because` are the names that the contract lets the message open with.
    named = re.match(r"[\w.\[\]]+", result.get("message") or "")
    if not named or named.group().split(".")[0].split("[")[0] not in because:
        return f"refused for another reason than {' or '.join(because)}: {result.get('message')}"
    return None


def judge(suite, tests):
    """Compares `tests` (node id to result, as the plugin wrote them) with a suite of suites.toml."""
    verdict = Verdict()

    found = dict.fromkeys(suite["files"], 0)
    for node in tests:
        file = node.split("::")[0]
        if file in found:
            found[file] += 1
        else:
            verdict.problems.append(f"{node}: not a file of this suite")
    for file, expected in suite["files"].items():
        if found[file] != expected:
            verdict.problems.append(f"{file}: ran {found[file]} tests, expected {expected}")

    refused = {(rule["file"], rule["test"]): rule["because"] for rule in suite["rejects"]}
    variants = {rule: set() for rule in refused}
    for node, result in sorted(tests.items()):
        match = NODE.fullmatch(node)
        rule = (match["file"], match["test"]) if match else None
        if rule in refused:
            variants[rule].add((match["cls"], match["variant"]))
            fault = refusal_fault(result, refused[rule])
            if fault is None:
                verdict.rejected += 1
            else:
                verdict.failed.append(f"{node}: {fault}")
        elif result["outcome"] == "passed":
            verdict.passed += 1
        else:
            verdict.failed.append(f"{node}: {result['outcome']} in {result['phase']}: {result.get('text', '')}")
    for (file, test), seen in variants.items():
        if seen != VARIANTS:
            verdict.problems.append(f"{file}::{test}: {len(seen)} of {len(VARIANTS)} variants ran")
    return verdict


def judge_checks(suite, checks):
    """The same for a script of ours, which reports its checks by name: None for a success, else what was wrong."""
    verdict = Verdict()
    for name, fault in checks.items():
        if fault is None:
            verdict.passed += 1
        else:
            verdict.failed.append(f"{name}: {fault}")
    if len(checks) != suite["checks"]:
        verdict.problems.append(f"made {len(checks)} checks, expected {suite['checks']}")
    return verdict


HEAD = ("suite", "version", "dialect", "passed", "rejected as required", "failed")


def table(rows):
    """Lines of a plain table: `rows` are (suite, verdict)."""
    cells = [
        (suite["name"], suite["version"], suite["dialect"], verdict.passed, verdict.rejected, verdict.wrong)
        for suite, verdict in rows
    ]
    cells.append(("total", "", "", *(sum(row[column] for row in cells) for column in (3, 4, 5))))
    widths = [max(len(str(row[column])) for row in [HEAD, *cells]) for column in range(len(HEAD))]

    def line(row):
        texts = [
            str(cell).rjust(width) if column > 2 else str(cell).ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(texts).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return [line(HEAD), rule, *(line(row) for row in cells[:-1]), rule, line(cells[-1])]
