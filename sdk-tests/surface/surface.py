"""Sorts a package's surface into what is ours, a neighbour's and elsewhere, and compares two surfaces.

A *raw* surface, as python_surface.py and typescript_surface.mjs write it, holds everything in a package:

  package, version
  betas          names in the SDK's list
  senders        beta → parts of the SDK that send it unasked, beside the operations
  headers        header → the value the client sends with every request, or "varies"
  errors         "400 code" → the file of its class
  error_types    names
  events         event type → {field: type}
  operations     method of the SDK → {route: "POST /v1/…", betas: sent by default, parameters: {"body.name?": type}, answer: type}
  types          "@file:Name" → {fields: {name: type}} or {is: type}

Names that end in `?` may be left out. A type is one line: `string`, `[T]` a list, `{T}` a map, `"a"|"b"` an enum, a name.

A *surface*, as it is checked in, holds ours in full (an extract holds nothing else), of a neighbour its operations without
their types, and of everything else the names: of an operation a digest tells whether its route, parameters or answer changed.
"""

import collections
import hashlib
import json
import pathlib
import re
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
OURS = tomllib.loads((HERE / "ours.toml").read_text(encoding="utf-8"))
GROUPS = ("ours", "neighbour", "elsewhere")
KINDS = ("beta", "sender", "header", "event", "route", "operation", "parameter", "answer", "type", "field", "error type", "error")
REFERENCE = re.compile(r"@[^:|\[\]{}<>,]+:[\w.]+")
# A module that several resources share has codes that any of them may send.
SHARED = re.compile(r"types/shared/|types/beta_\w+\.py|resources/shared\.ts|resources/beta/beta\.ts")
OUR_FILES = re.compile(r"(types|resources)/(beta/)?(user[-_]profiles|organization/webhooks)\b")


# --- sorting ---------------------------------------------------------------------------------------


def ours(path):
    return any(path == own or path.startswith(f"{own}/") for own in OURS["paths"])


def lines(described):
    """Every type expression in a described type."""
    return list(described["fields"].values()) if "fields" in described else [described["is"]]


def reach(types, expressions):
    """The types that some expressions lead to."""
    found, waiting = set(), list(expressions)
    while waiting:
        for key in REFERENCE.findall(waiting.pop()):
            if key not in found:
                found.add(key)
                waiting += lines(types[key])
    return found


def names_a_profile(operation, types):
    reached = reach(types, [*operation["parameters"].values(), operation["answer"]])
    named = [*operation["parameters"], *(field for key in reached for field in types[key].get("fields", ()))]
    return any(word in name for name in named for word in OURS["neighbours"])


def sort(raw):
    """The surface of a raw surface."""
    types = {key: described for key, described in raw["types"].items() if described}
    mine, near, far = {}, {}, {}
    for name, operation in raw["operations"].items():
        path = operation["route"].split(" ", 1)[1]
        (mine if ours(path) else near if names_a_profile(operation, types) else far)[name] = operation
    if not mine:
        raise ValueError(f"the {raw['package']} package {raw['version']} has no operation under {' or '.join(OURS['paths'])}")

    # The list of betas is the beta names' own; the types of events are the events'.
    subscribable = {
        event
        for operation in mine.values()
        for name, is_ in operation["parameters"].items()
        if name.startswith("body.enabled_events")
        for event in enum(is_)
    }
    reached = reach(types, [is_ for operation in mine.values() for is_ in (*operation["parameters"].values(), operation["answer"])])
    short = names(types, reached)

    def plain(expression):
        written = REFERENCE.sub(lambda match: short[match.group()], expression)
        written = re.sub(r"AnthropicBeta(Param)?\b", "beta", written)
        found = enum(written)
        return "[event type]" if found and expression.startswith("[") and subscribable and set(found) <= subscribable else written

    def described(key):
        what = types[key]
        if "fields" in what:
            return {name: plain(is_) for name, is_ in sorted(what["fields"].items())}
        return plain(what["is"])

    def whole(operation):
        return {
            "route": operation["route"],
            "betas": operation["betas"],
            "parameters": {name: plain(is_) for name, is_ in sorted(operation["parameters"].items())},
            "answer": plain(operation["answer"]),
        }

    own_events = {event: fields for event, fields in raw["events"].items() if event in subscribable or event.startswith("user_profile.")}
    codes = {group: [] for group in GROUPS}
    for code, file in sorted(raw["errors"].items()):
        codes["ours" if code in OURS["codes"] or OUR_FILES.match(file) else "neighbour" if SHARED.match(file) else "elsewhere"].append(code)
    return {
        "package": raw["package"],
        "version": raw["version"],
        "ours": {
            "betas": raw["betas"],
            "senders": {beta: kept for beta, places in raw["senders"].items() if (kept := [place for place in places if place in OURS["senders"]])},
            "headers": raw["headers"],
            "events": {
                event: {"subscribable": event in subscribable} | {name: plain(is_) for name, is_ in sorted(fields.items())}
                for event, fields in sorted(({event: {} for event in subscribable} | own_events).items())
            },
            "operations": {name: whole(operation) for name, operation in sorted(mine.items())},
            "types": {short[key]: described(key) for key in sorted(reached, key=short.get) if not short[key].startswith("AnthropicBeta")},
            "error_types": raw["error_types"],
            "errors": codes["ours"],
        },
        "neighbour": {
            "operations": {name: whole(operation) for name, operation in sorted(near.items())},
            "errors": codes["neighbour"],
        },
        "elsewhere": {
            "senders": {beta: kept for beta, places in raw["senders"].items() if (kept := [place for place in places if place not in OURS["senders"]])},
            "events": sorted(set(raw["events"]) - set(own_events)),
            "operations": {name: digest(whole(operation)) for name, operation in sorted(far.items())},
            "errors": codes["elsewhere"],
        },
    }  # fmt: skip


def names(types, reached):
    """A short name for each type. Only among those that are ours has it to tell them apart, there by their file: what others call
    theirs must not rename ours."""
    times = collections.Counter(key.rpartition(":")[2] for key in reached)
    return {key: name if key not in reached or times[name] == 1 else key[1:] for key in types for name in [key.rpartition(":")[2]]}


def split(expression):
    """The members of a union; brackets and quotes keep theirs together."""
    parts, depth, quoted, begin = [], 0, False, 0
    for at, letter in enumerate(expression):
        if letter == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif letter in "[{<":
            depth += 1
        elif letter in "]}>":
            depth -= 1
        elif letter == "|" and depth == 0:
            parts.append(expression[begin:at])
            begin = at + 1
    return [*parts, expression[begin:]]


def union(expressions):
    """One type that is any of some, in one order whatever theirs; an empty one stands for what is never sent."""
    return "|".join(sorted({part for expression in expressions if expression for part in split(expression)}))


def enum(expression):
    """The values of a list of literals, or nothing."""
    inner = expression.removeprefix("[").removesuffix("]")
    parts = inner.split("|")
    return [json.loads(part) for part in parts] if all(re.fullmatch(r'"[^"]*"', part) for part in parts) else []


def digest(operation):
    return hashlib.sha256(json.dumps(operation, sort_keys=True).encode()).hexdigest()[:8]


# --- the file --------------------------------------------------------------------------------------


def write(surfaces, path):
    """JSON with one line for each operation and type, so that a change of one is a change of one line."""
    path.write_text(laid_out(surfaces, 0) + "\n", encoding="utf-8")


def laid_out(value, depth):
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict) or depth > 3 or len(flat) < 100:
        return flat
    inner = "  " * (depth + 1)
    body = ",\n".join(f"{inner}{json.dumps(key)}: {laid_out(item, depth + 1)}" for key, item in value.items())
    return "{\n" + body + "\n" + "  " * depth + "}"


# --- comparing -------------------------------------------------------------------------------------


def compare(old, new):
    """What changed from one surface of a package to another: [{group, change, kind, name, …}]."""
    found = []

    def note(group, change, kind, name, **more):
        found.append({"group": group, "change": change, "kind": kind, "name": name} | more)

    def members(group, kind, before, after, show=lambda key, value: {}, changed=None):
        for key in sorted(set(before) | set(after)):
            if key not in before:
                note(group, "added", kind, key, **show(key, after[key] if isinstance(after, dict) else None))
            elif key not in after:
                note(group, "removed", kind, key)
            elif changed:
                changed(key, before[key], after[key])

    def values(group, kind):
        def changed(key, before, after):
            if before != after:
                note(group, "changed", kind, key, before=before, after=after)

        return changed

    was, now = old["ours"], new["ours"]
    members("ours", "beta", was["betas"], now["betas"])
    members("ours", "sender", was["senders"], now["senders"], lambda _, places: {"after": places}, values("ours", "sender"))
    members("ours", "header", was["headers"], now["headers"], lambda _, value: {"after": value}, values("ours", "header"))
    members("ours", "event", was["events"], now["events"], lambda _, fields: {"after": fields}, values("ours", "event"))
    members("ours", "error type", was["error_types"], now["error_types"])

    # A new route brings its types and its codes along: they are told with it, not one by one.
    known = {operation["route"] for operation in was["operations"].values()}
    brought_types, brought_codes = set(), set()
    kept = reach_short(now, [name for name in now["operations"] if name in was["operations"]])
    for name, operation in now["operations"].items():
        if name in was["operations"]:
            continue
        brought = reach_short(now, [name]) - set(was["types"]) - kept
        if operation["route"] in known:
            note("ours", "added", "operation", name, route=operation["route"], betas=operation["betas"], parameters=operation["parameters"], answer=operation["answer"])
        else:
            path = operation["route"].split(" ", 1)[1]
            codes = [code for code in now["errors"] if code not in was["errors"] and OURS["codes"].get(code) == path]
            brought_codes.update(codes)
            note(
                "ours", "added", "route", operation["route"], operation=name, betas=operation["betas"],
                parameters=operation["parameters"], answer=operation["answer"], types=sorted(brought), codes=codes,
            )  # fmt: skip
        brought_types |= brought
    still = {operation["route"] for operation in now["operations"].values()}
    for name, operation in was["operations"].items():
        if name not in now["operations"]:
            gone = operation["route"] not in still
            note("ours", "removed", "route" if gone else "operation", operation["route"] if gone else name, **({"operation": name} if gone else {}))
            continue
        after = now["operations"][name]
        for what in ("route", "betas", "answer"):
            if operation[what] != after[what]:
                note("ours", "changed", "operation" if what != "answer" else "answer", f"{name} ({what})", before=operation[what], after=after[what])
        fields("ours", "parameter", name, operation["parameters"], after["parameters"], note)
    for name in sorted(set(was["types"]) | set(now["types"])):
        if name not in was["types"]:
            if name not in brought_types:
                note("ours", "added", "type", name, after=now["types"][name])
        elif name not in now["types"]:
            note("ours", "removed", "type", name)
        elif isinstance(was["types"][name], dict) and isinstance(now["types"][name], dict):
            fields("ours", "field", name, was["types"][name], now["types"][name], note)
        elif was["types"][name] != now["types"][name]:
            note("ours", "changed", "type", name, before=was["types"][name], after=now["types"][name])

    members("ours", "error", was["errors"], [code for code in now["errors"] if code not in brought_codes])
    if "neighbour" in old and "neighbour" in new:
        was, now = old["neighbour"], new["neighbour"]

        def in_neighbour(name, before, after):
            for what in ("route", "betas", "answer"):
                if before[what] != after[what]:
                    note("neighbour", "changed", "operation", f"{name} ({what})", before=before[what], after=after[what])
            fields("neighbour", "parameter", name, before["parameters"], after["parameters"], note)

        members("neighbour", "operation", was["operations"], now["operations"], lambda _, operation: {"route": operation["route"]}, in_neighbour)
        members("neighbour", "error", was["errors"], now["errors"])
    if "elsewhere" in old and "elsewhere" in new:
        was, now = old["elsewhere"], new["elsewhere"]

        def in_elsewhere(name, before, after):
            if before != after:
                note("elsewhere", "changed", "operation", name)

        members("elsewhere", "sender", was["senders"], now["senders"], lambda _, places: {"after": places}, values("elsewhere", "sender"))
        members("elsewhere", "event", was["events"], now["events"])
        members("elsewhere", "error", was["errors"], now["errors"])
        members("elsewhere", "operation", was["operations"], now["operations"], changed=in_elsewhere)
    return regroup(found)


def regroup(found):
    """An operation that only moved between groups, or a code, is told once, for the nearer group."""
    order = {group: at for at, group in enumerate(GROUPS)}
    moves = {}
    for entry in found:
        moves.setdefault((entry["kind"], entry["name"]), []).append(entry)
    told = []
    for entry in found:
        pair = moves[entry["kind"], entry["name"]]
        if len(pair) == 2 and {item["change"] for item in pair} == {"added", "removed"}:
            nearer = min(pair, key=lambda item: order[item["group"]])
            if entry is nearer:
                gone = next(item for item in pair if item["change"] == "removed")
                come = next(item for item in pair if item["change"] == "added")
                told.append(come | {"group": entry["group"], "change": "changed", "before": gone["group"], "after": come["group"]})
        else:
            told.append(entry)
    return told


def reach_short(surface, operations):
    """The names of the types that some operations of a sorted surface lead to."""
    types = surface["types"]
    waiting = [is_ for name in operations for is_ in (*surface["operations"][name]["parameters"].values(), surface["operations"][name]["answer"])]
    found = set()
    while waiting:
        for name in re.findall(r"[\w./-]+(?::[\w.]+)?", re.sub(r'"[^"]*"', "", waiting.pop())):
            if name in types and name not in found:
                found.add(name)
                waiting += list(types[name].values()) if isinstance(types[name], dict) else [types[name]]
    return found


def fields(group, kind, owner, before, after, note):
    """Fields by name, so that one that only became optional is one change."""
    plain = lambda named: {name.rstrip("?"): (name.endswith("?"), is_) for name, is_ in named.items()}  # noqa: E731
    was, now = plain(before), plain(after)
    told = lambda pair: pair[1] + (" (optional)" if pair[0] else "")  # noqa: E731
    for name in sorted(set(was) | set(now)):
        if name not in was:
            note(group, "added", kind, f"{owner} {name}", after=told(now[name]))
        elif name not in now:
            note(group, "removed", kind, f"{owner} {name}", before=told(was[name]))
        elif was[name] != now[name]:
            note(group, "changed", kind, f"{owner} {name}", before=told(was[name]), after=told(now[name]))


# --- telling ---------------------------------------------------------------------------------------


def report(changes_by_package, versions):
    """One report of what changed in any of the packages: `changes_by_package` is {package: compare(…)}."""
    entries = {}
    for package, changes in changes_by_package.items():
        for change in changes:
            key = (change["kind"], change["name"], change["change"])
            if key in entries:
                entries[key]["in"].append(package)
                if GROUPS.index(change["group"]) < GROUPS.index(entries[key]["group"]):
                    entries[key]["group"] = change["group"]
            else:
                entries[key] = change | {"in": [package]}
    groups = {group: {change: [] for change in ("added", "removed", "changed")} for group in GROUPS}
    for entry in sorted(entries.values(), key=lambda entry: (KINDS.index(entry["kind"]), entry["name"])):
        groups[entry["group"]][entry["change"]].append({key: value for key, value in entry.items() if key not in ("group", "change")})
    return {"versions": versions, **groups}


def differs(told):
    """Whether anything of ours changed."""
    return any(told["ours"].values())


def text(told):
    """The report for reading."""
    out = [f"{package} {before} → {after}" for package, (before, after) in told["versions"].items()]
    for group in GROUPS:
        out.append("")
        out.append(f"{group}: " + ", ".join(f"{len(entries)} {change}" for change, entries in told[group].items()))
        for change, entries in told[group].items():
            for entry in entries:
                out.append(f"  {change:8} {entry['kind']:10} {entry['name']}{more(entry)}  [{', '.join(entry['in'])}]")
                if entry["kind"] == "route" and "parameters" in entry:
                    out.append(f"             as {entry['operation']}, sends {', '.join(entry['betas']) or 'no beta'}, answers {entry['answer']}")
                    out += [f"             takes {name}: {is_}" for name, is_ in entry["parameters"].items()]
                    if entry["types"]:
                        out.append(f"             with {len(entry['types'])} types: {', '.join(entry['types'])}")
                    if entry["codes"]:
                        out.append(f"             and the codes {', '.join(entry['codes'])}")
    return "\n".join(out)


def more(entry):
    if "before" in entry and "after" in entry:
        return f": {shown(entry['before'])} → {shown(entry['after'])}"
    if "after" in entry:
        return f": {shown(entry['after'])}"
    return f": {entry['route']}" if "route" in entry else ""


def shown(value):
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
