"""Writes docs/coverage.md: for every operation and field of the API, whether Rollcall answers it.

Nothing here is claimed by hand. What the API has is in surface.json, what Rollcall serves in the OpenAPI documents that it
publishes (docs/openapi) and in its reference of errors; a field that is in both is answered. What is refused on purpose
stands, with its reason, in ours.toml. Everything else is not yet.
"""

import json
import re

import surface
from surface import split, union

ROOT = surface.HERE.parent.parent
FILE = ROOT / "docs/coverage.md"
# All but the operator's, which is no part of the vendor's API.
DOCUMENTS = tuple(sorted(path.stem for path in (ROOT / "docs/openapi").glob("*.json") if path.stem != "operator"))
LABELS = {"python": "Python", "npm": "TypeScript"}
ANSWERED, NOT_YET, REFUSED = "answered", "not yet", "refused on purpose"
HEAD = """<!-- Generated from sdk-tests/surface/surface.json, docs/openapi and docs/reference/errors.md; after a change of one of them run
     sdk-tests/drift --coverage -->

# Coverage

Every operation and field of the API that {versions} know, and whether Rollcall
answers it: *{answered}* (in the dialects named, as its OpenAPI documents say), *{refused}*, with the reason, or *{not_yet}*. `[]` is each member of a list, `*` each value of
a map. `anthropic-beta` and `anthropic-version` are understood on every path.
"""


class Served:
    """What the published documents have at one route."""

    def __init__(self, documents, route):
        verb, path = route.split(" ", 1)
        self.operations = {}
        for name, document in documents.items():
            for served, methods in document["paths"].items():
                if re.sub(r"\{\w+\}", "{}", served) == re.sub(r"\{\w+\}", "{}", path) and verb.lower() in methods:
                    self.operations[name] = (document, methods[verb.lower()])

    def parameter(self, place, name):
        """Dialect → schemas, of those that have the parameter."""
        found = {}
        for dialect, (document, operation) in self.operations.items():
            if place == "path":
                found[dialect] = []
            for parameter in operation.get("parameters", []):
                if parameter["in"] == place and parameter["name"].removesuffix("[]") == name:
                    found[dialect] = flatten(document, parameter["schema"])
        return found

    def body(self):
        return {
            dialect: flatten(document, content(operation.get("requestBody", {})))
            for dialect, (document, operation) in self.operations.items()
        }

    def answer(self):
        return {dialect: flatten(document, content(operation["responses"]["200"])) for dialect, (document, operation) in self.operations.items()}

    def step(self, schemas, member):
        """One member further into the schemas of each dialect; a dialect that lacks it falls out."""
        found = {}
        for dialect, alternatives in schemas.items():
            document = self.operations[dialect][0]
            inner = [item for schema in alternatives for item in self.inner(schema, member)]
            if inner:
                found[dialect] = [flat for schema in inner for flat in flatten(document, schema)]
        return found

    def inner(self, schema, member):
        if member == "[]":
            return [schema["items"]] if "items" in schema else []
        extra = schema.get("additionalProperties")
        if member == "*":
            named = [*schema.get("properties", {}).values(), *schema.get("patternProperties", {}).values()]
            return [*named, *([extra] if isinstance(extra, dict) else [])]
        if member in schema.get("properties", {}):
            return [schema["properties"][member]]
        return []


def content(holder):
    return holder.get("content", {}).get("application/json", {}).get("schema", {})


def flatten(document, schema):
    """The alternatives that a schema allows, references followed."""
    while "$ref" in schema:
        target = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = target
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            rest = {name: value for name, value in schema.items() if name != key}
            return [*flatten(document, rest), *(flat for item in schema[key] for flat in flatten(document, item))]
    return [schema]


class Coverage:
    def __init__(self, surfaces, documents, errors, settings):
        self.surfaces, self.documents, self.errors, self.settings = surfaces, documents, errors, settings
        self.refused = dict(settings["refused"])
        for rule in settings["refused_fields"]:
            self.refused |= {f"{route} {field}": rule["why"] for route in rule["routes"] for field in rule["fields"]}
        self.used = set()
        self.rows = []
        self.counts = {ANSWERED: 0, REFUSED: 0, NOT_YET: 0}
        self.out = []

    # --- verdicts ----------------------------------------------------------------------------------

    def status(self, key, answered):
        """The word for one thing; `answered` says where it is, or is empty."""
        if key in self.refused:
            self.used.add(key)
            word, told = REFUSED, f"{REFUSED}: {self.refused[key]}"
        elif answered:
            word, told = ANSWERED, f"{ANSWERED}{f': {answered}' if isinstance(answered, str) else ''}"
        else:
            word = told = NOT_YET
        self.counts[word] += 1
        return told

    def dialects(self, found):
        return ", ".join(name for name in DOCUMENTS if name in found)

    def row(self, route, place, path, is_, found):
        key = f"{route} {place}.{path}"
        told_by = {package: self.spelled(package, expression) for package, expression in is_.items()}
        values = sorted({value for expression in told_by.values() for value in literals(expression)})
        lacking = []
        if values and found:
            if all("items" in schema for schemas in found.values() for schema in schemas):
                found = {name: [item for schema in schemas for item in flatten(self.documents[name], schema["items"])] for name, schemas in found.items()}
            known = [schemas for schemas in found.values() if any("enum" in schema or "const" in schema for schema in schemas)]
            accepted = {value for schemas in known for schema in schemas for value in (*schema.get("enum", ()), schema.get("const"))}
            lacking = [value for value in values if value not in accepted] if known else []
        told = self.status(key, self.dialects(found))
        if lacking:
            told += "; " + "; ".join(f"`{value}`: {self.status(f'{key} = {value}', False)}" for value in lacking)
        # The first package says more: times and whole numbers are types of their own there.
        self.rows.append((place, path, next(iter(told_by.values())), told))

    def spelled(self, package, expression):
        """A type with its enums spelled out."""
        types = self.surfaces[package]["ours"]["types"]
        parts = []
        for part in split(expression):
            if part.startswith("["):
                parts.append(f"[{self.spelled(package, part[1:-1])}]")
            elif isinstance(types.get(part), str):
                parts.append(self.spelled(package, types[part]))
            else:
                parts.append(part)
        return union(parts)

    # --- walking -----------------------------------------------------------------------------------

    def members(self, expressions):
        """The fields in types of several packages: {name: {package: expression}}, and the steps `[]` and `*`."""
        found = {}
        for package, expression in expressions.items():
            for name, inner in self.opened(package, expression):
                found.setdefault(name, {}).setdefault(package, []).append(inner)
        return {name: {package: union(parts) for package, parts in packages.items()} for name, packages in found.items()}

    def opened(self, package, expression, bound=()):
        types = self.surfaces[package]["ours"]["types"]
        for part in split(expression):
            if part.startswith("["):
                yield "[]", part[1:-1]
            elif part.startswith("{"):
                yield "*", part[1:-1]
            else:
                name, _, argument = part.partition("<")
                described = types.get(name)
                if isinstance(described, str):
                    yield from self.opened(package, described)
                elif described is not None:
                    for field, is_ in described.items():
                        # A page is the only generic type: its variable stands for what is listed.
                        yield field.rstrip("?"), re.sub(r"\b(_T|Item)\b", lambda _: argument[:-1], is_) if argument else is_

    def walk(self, route, place, expressions, schemas, served, path="", trail=()):
        members = self.members(expressions)
        for step in ("[]", "*"):
            if step in members:
                inner = f"{path}[]" if step == "[]" else f"{path}.*"
                self.walk(route, place, members[step], served.step(schemas, step), served, inner, trail)
        for name, is_ in sorted((name, is_) for name, is_ in members.items() if name not in ("[]", "*")):
            if (name, tuple(sorted(is_.items()))) in trail:
                continue
            at = f"{path}.{name}".lstrip(".")
            found = served.step(schemas, name)
            self.row(route, place, at, is_, found)
            self.walk(route, place, is_, found, served, at, (*trail, (name, tuple(sorted(is_.items())))))

    def route(self, route, operations):
        """The section of one route: `operations` are (package, method, operation)."""
        served = Served(self.documents, route)
        self.rows = []
        methods = sorted({method for _, method, _ in operations})
        told = self.status(route, self.dialects(served.operations))
        parameters = {}
        for package, _, operation in operations:
            for name, is_ in operation["parameters"].items():
                place, _, plain = name.rstrip("?").partition(".")
                if place == "header" and plain == "anthropic-beta":
                    continue
                parameters.setdefault((place, plain), {}).setdefault(package, []).append(is_)
        body = served.body()
        for place, plain in sorted(parameters, key=lambda key: (("path", "header", "query", "body").index(key[0]), key[1])):
            is_ = {package: union(parts) for package, parts in parameters[place, plain].items()}
            found = served.step(body, plain) if place == "body" else served.parameter(place, plain)
            self.row(route, place, plain, is_, found)
            if place == "body":
                self.walk(route, place, is_, found, served, plain)
        answers = {}
        for package, _, operation in operations:
            answers.setdefault(package, []).append(operation["answer"])
        self.walk(route, "answer", {package: union(parts) for package, parts in answers.items()}, served.answer(), served)
        self.out += ["", f"## `{route}`", "", f"{told[0].upper()}{told[1:]}. In the SDKs: {', '.join(f'`{method}`' for method in methods)}.", ""]
        self.table(("in", "name", "type", "status"), self.rows)

    def table(self, head, rows):
        self.out.append("| " + " | ".join(head) + " |")
        self.out.append("|" + " --- |" * len(head))
        for row in rows:
            *cells, told = row
            shown = [cell if at == 0 and len(cells) > 2 else f"`{cell}`" for at, cell in enumerate(cells)]
            self.out.append("| " + " | ".join(cell.replace("|", "\\|") for cell in (*shown, told)) + " |")

    def text(self):
        routes = {}
        for package, whole in self.surfaces.items():
            for method, operation in whole["ours"]["operations"].items():
                routes.setdefault(operation["route"], []).append((package, method, operation))
        order = {own: at for at, own in enumerate(self.settings["paths"])}

        def place(route):
            path = route.split(" ", 1)[1]
            return next(at for own, at in order.items() if path == own or path.startswith(f"{own}/")), path, route

        for route in sorted(routes, key=place):
            self.route(route, routes[route])
        self.events()
        self.codes()
        self.apart()
        unknown = sorted(set(self.refused) - self.used)
        if unknown:
            raise ValueError(f"ours.toml refuses what the API does not have: {', '.join(unknown)}")
        versions = " and ".join(f"the {LABELS[package]} SDK {whole['version']}" for package, whole in self.surfaces.items())
        head = HEAD.format(versions=versions, answered=ANSWERED, refused=REFUSED, not_yet=NOT_YET)
        counts = f"{self.counts[ANSWERED]} {ANSWERED}, {self.counts[REFUSED]} {REFUSED}, {self.counts[NOT_YET]} {NOT_YET}."
        return "\n".join([head, counts, *self.out]) + "\n"

    def events(self):
        events = {}
        for whole in self.surfaces.values():
            for event, fields in whole["ours"]["events"].items():
                events.setdefault(event, {}).update(fields)
        served = Served(self.documents, "POST /v1/organizations/webhooks")
        schemas = served.step(served.step(served.body(), "enabled_events"), "[]")
        alternatives = [schema for found in schemas.values() for schema in found]

        def accepted(event):
            return any(event in schema.get("enum", ()) or ("pattern" in schema and re.search(schema["pattern"], event)) for schema in alternatives)

        self.out += ["", "## Events", ""]
        rows = []
        for event, fields in sorted(events.items()):
            carried = ", ".join(name.rstrip("?") for name in sorted(fields) if name != "subscribable")
            # A reason to send nothing is one only where a subscription is accepted.
            key = f"event {event}" if accepted(event) else f"event {event} (subscription)"
            if not accepted(event) and f"event {event}" in self.refused:
                self.used.add(f"event {event}")
            rows.append((event, carried, self.status(key, accepted(event))))
        self.table(("event", "data", "status"), rows)

    def codes(self):
        codes = sorted({code for whole in self.surfaces.values() for code in whole["ours"]["errors"]})
        self.out += ["", "## Error codes", ""]
        rows = []
        for line in codes:
            status, _, code = line.partition(" ")
            listed = re.search(rf"^\| `{re.escape(code)}` \| {status} \|", self.errors, re.MULTILINE)
            rows.append((code, status, self.status(f"error {line}", bool(listed))))
        self.table(("code", "HTTP status", "status"), rows)

    def apart(self):
        """Operations of the vendor's other APIs that name a profile."""
        named = {}
        for whole in self.surfaces.values():
            for operation in whole["neighbour"]["operations"].values():
                named.setdefault(operation["route"], None)
        self.out += ["", "## Operations of other APIs that name a profile", ""]
        rows = []
        for route in sorted(named, key=lambda route: route.split(" ", 1)[::-1]):
            path = route.split(" ", 1)[1]
            fits = [prefix for prefix in self.settings["apart"] if path == prefix or path.startswith(f"{prefix}/")]
            if not fits:
                raise ValueError(f"{route} names a user profile; say in ours.toml, under [apart], why Rollcall does not serve it")
            self.refused[route] = self.settings["apart"][max(fits, key=len)]
            rows.append((route, self.status(route, "")))
        self.table(("operation", "status"), rows)


def literals(expression):
    inner = expression[1:-1] if expression.startswith("[") and len(split(expression)) == 1 else expression
    return [json.loads(part) for part in split(inner) if part.startswith('"')]


def made():
    """What the file must hold now."""
    surfaces = json.loads((surface.HERE / "surface.json").read_text(encoding="utf-8"))
    documents = {name: json.loads((ROOT / f"docs/openapi/{name}.json").read_text(encoding="utf-8")) for name in DOCUMENTS}
    errors = (ROOT / "docs/reference/errors.md").read_text(encoding="utf-8")
    return Coverage(surfaces, documents, errors, surface.OURS).text()
