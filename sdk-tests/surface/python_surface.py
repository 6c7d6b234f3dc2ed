"""Reads the whole surface out of a Python SDK's package: operations, types, betas, errors, default headers.

It parses the package's modules with `ast` and executes nothing of them. What comes out is the raw surface that
surface.py sorts; its form is described there. What is not understood is an error, never left out: a part of the surface
that went missing in silence would never be reported as changed.
"""

import ast
import json
import pathlib
import re
import sys

from surface import union

VERBS = {"_get": "GET", "_post": "POST", "_put": "PUT", "_patch": "PATCH", "_delete": "DELETE", "_get_api_list": "GET"}
PLAIN = {
    "str": "string", "int": "integer", "float": "number", "bool": "boolean", "bytes": "bytes", "object": "any", "Any": "any",
    "datetime": "timestamp", "date": "date", "None": "null",
}  # fmt: skip
LISTS = {"List", "list", "Iterable", "Sequence", "SequenceNotStr", "Tuple", "Set"}
MAPS = {"Dict", "dict", "Mapping"}
# Names that stand for "the caller gave nothing" and are no part of what is sent.
NOTHING = {"Omit", "NotGiven"}
BETA = re.compile(r"[a-z0-9-]+-\d{4}-?\d{2}-?\d{2}")


class Unreadable(Exception):
    """The package is written in a way that this reader does not know."""


class Package:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.modules = {}

    def module(self, path):
        """The parsed module at a path relative to the package, or None."""
        if path not in self.modules:
            file = self.root / path
            self.modules[path] = Module(self, path, ast.parse(file.read_text(encoding="utf-8"))) if file.is_file() else None
        return self.modules[path]

    def named(self, dotted):
        """The module of a dotted name, a folder's `__init__` included."""
        base = "/".join(dotted)
        return self.module(f"{base}.py" if base else "__init__.py") or self.module(f"{base}/__init__.py" if base else "__init__.py")

    def under(self, folder):
        return [self.module(str(path.relative_to(self.root))) for path in sorted((self.root / folder).rglob("*.py"))]


class Module:
    def __init__(self, package, path, tree):
        self.package, self.path, self.tree = package, path, tree
        self.names = {}
        parts = path.removesuffix(".py").split("/")
        folder = parts[:-1]
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                if node.level:
                    base = folder[: len(folder) - node.level + 1] + (node.module.split(".") if node.module else [])
                else:
                    base = None
                for alias in node.names:
                    self.names[alias.asname or alias.name] = ("import", base, alias.name)
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                self.names[node.name] = ("class", node)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
                self.names[node.target.id] = ("alias", node.value)
            elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                self.names[node.targets[0].id] = ("alias", node.value)

    def find(self, name):
        """Where a name is defined: (module, kind, node), through any number of imports; None outside the package."""
        what = self.names.get(name)
        if what is None or what[0] != "import":
            return what and (self, *what)
        _, base, original = what
        if base is None:
            return None
        module = self.package.named(base)
        if module is not None and original in module.names:
            return module.find(original)
        inner = self.package.named([*base, original])
        return inner and (inner, "module", None)

    def constant(self, node):
        """The string that an expression always has, or None."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        if isinstance(node, ast.JoinedStr):
            return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        if isinstance(node, ast.Name):
            found = self.find(node.id)
            if found and found[1] == "alias":
                return found[0].constant(found[2])
        return None


class Reader:
    def __init__(self, root):
        self.package = Package(root)
        self.types = {}
        self.queue = []

    # --- types -------------------------------------------------------------------------------------

    def reference(self, module, name):
        key = f"@{module.path}:{name}"
        if key not in self.types:
            self.types[key] = None
            self.queue.append((key, module, name))
        return key

    def resolve_queue(self):
        while self.queue:
            key, module, name = self.queue.pop()
            found = module.find(name)
            self.types[key] = self.described(*found)

    def described(self, module, kind, node):
        if kind == "alias":
            return {"is": self.type(module, node)}
        if kind == "class":
            return {"fields": self.fields(module, node)}
        raise Unreadable(f"{module.path}: {kind} where a type is expected")

    def fields(self, module, node):
        bases = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
        total = not any(keyword.arg == "total" and getattr(keyword.value, "value", True) is False for keyword in node.keywords)
        fields = {}
        typed = False
        for base in bases:
            name = base.id if isinstance(base, ast.Name) else getattr(base, "attr", "")
            typed = typed or name == "TypedDict"
            found = module.find(name)
            if found and found[1] == "class" and found[0].path.startswith("types/"):
                fields |= self.fields(found[0], found[2])
        for item in node.body:
            if not (isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)) or item.target.id.startswith("_"):
                continue
            annotation, required, name = item.annotation, total if typed else item.value is None, item.target.id
            while isinstance(annotation, ast.Subscript) and isinstance(annotation.value, ast.Name):
                outer, inner = annotation.value.id, annotation.slice
                if outer in ("Required", "NotRequired"):
                    required, annotation = outer == "Required", inner
                elif outer == "Annotated":
                    name = next((alias for part in inner.elts[1:] if (alias := alias_of(part))), name)
                    annotation = inner.elts[0]
                elif outer == "ClassVar":
                    break
                else:
                    break
            if isinstance(annotation, ast.Subscript) and getattr(annotation.value, "id", "") == "ClassVar":
                continue
            name = (item.value is not None and alias_of(item.value)) or name
            if isinstance(annotation, ast.Name) and annotation.id == "object" and name == "__pydantic_extra__":
                continue
            fields[name if required else f"{name}?"] = self.type(module, annotation)
        # The functional form carries the fields that are no Python names: {"from": ...}.
        return fields

    def type(self, module, node):
        """An annotation as one line: names of plain types, `[T]`, `{T}`, literals in quotes, `@module:Name`."""
        if isinstance(node, ast.Constant):
            if node.value is None:
                return "null"
            if isinstance(node.value, str):
                return self.type(module, ast.parse(node.value, mode="eval").body)
            return "any" if node.value is Ellipsis else json.dumps(node.value)
        if isinstance(node, ast.Name):
            if node.id in NOTHING:
                return ""
            found = module.find(node.id)
            if found and found[1] in ("class", "alias") and found[0].path != "_types.py":
                if found[1] == "alias" and type_variable(found[2]):
                    return node.id
                return self.reference(found[0], found[2].name if found[1] == "class" else node.id)
            if found and found[0].path == "_types.py" and found[1] == "alias":
                return self.type(found[0], found[2])
            return PLAIN.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name) and (found := module.find(node.value.id)) and found[1] == "module":
                return self.type(found[0], ast.Name(node.attr))
            return PLAIN.get(node.attr, node.attr)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return union([self.type(module, node.left), self.type(module, node.right)])
        if isinstance(node, ast.Subscript):
            outer = node.value.id if isinstance(node.value, ast.Name) else getattr(node.value, "attr", "")
            inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            if outer == "Literal":
                return union([json.dumps(item.value) for item in inner])
            if outer == "Union":
                return union([self.type(module, item) for item in inner])
            if outer == "Optional":
                return union([self.type(module, inner[0]), "null"])
            if outer in LISTS:
                return f"[{self.type(module, inner[0])}]"
            if outer in MAPS:
                return "{" + self.type(module, inner[1]) + "}"
            if outer in ("Annotated", "Required", "NotRequired", "Type"):
                return self.type(module, inner[0])
            return f"{self.type(module, node.value)}<{', '.join(self.type(module, item) for item in inner)}>"
        if isinstance(node, ast.Call) or isinstance(node, ast.List):
            return "any"
        raise Unreadable(f"{module.path}: a type is written as {ast.dump(node)[:200]}")

    # --- operations --------------------------------------------------------------------------------

    def operations(self):
        operations = {}
        for module in self.package.under("resources"):
            for node in module.tree.body:
                if not isinstance(node, ast.ClassDef) or not any(getattr(base, "id", "") == "SyncAPIResource" for base in node.bases):
                    continue
                parts = module.path.removesuffix(".py").split("/")[1:]
                if len(parts) > 1 and parts[-1] == parts[-2]:
                    parts.pop()
                for method in node.body:
                    if isinstance(method, ast.FunctionDef):
                        for call in (item for item in ast.walk(method) if is_request(item)):
                            name = ".".join([*parts, method.name])
                            operation = self.operation(module, method, call)
                            # Methods that build on another (a stream, a parse) make the same request with the same fields.
                            operations.setdefault(name, operation)
        return operations

    def operation(self, module, method, call):
        where = f"{module.path}: {method.name}"
        arguments = {}
        plain, named = method.args.args[1:], method.args.kwonlyargs
        defaults = [None] * (len(plain) - len(method.args.defaults)) + method.args.defaults
        for argument, default in [*zip(plain, defaults, strict=True), *zip(named, method.args.kw_defaults, strict=True)]:
            arguments[argument.arg] = (argument.annotation, default is None)
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        path, placeholders = self.path(where, call.args[0] if call.args else given["path"])
        path, _, query = path.partition("?")
        parameters = {f"path.{name}": "string" for name in placeholders}
        for pair in filter(None, query.split("&")):
            key, _, value = pair.partition("=")
            parameters[f"query.{key}"] = json.dumps(value)

        def add(place, node):
            for dictionary in dictionaries(node, method):
                for key, value in zip(dictionary.keys, dictionary.values, strict=True):
                    if key is None:
                        continue
                    if not isinstance(key, ast.Constant):
                        raise Unreadable(f"{where}: a computed name in its {place}")
                    names = [item.id for item in ast.walk(value) if isinstance(item, ast.Name) and item.id in arguments]
                    if names:
                        annotation, required = arguments[names[0]]
                        parameters[f"{place}.{key.value}{'' if required else '?'}"] = self.type(module, annotation)
                    elif place != "header":
                        parameters[f"{place}.{key.value}?"] = "any"

        if "body" in given:
            add("body", given["body"])
        options = given.get("options")
        if options is not None:
            for keyword in options.keywords if isinstance(options, ast.Call) else []:
                if keyword.arg == "query":
                    add("query", keyword.value)
        headers = [
            item.value
            for item in ast.walk(method)
            if isinstance(item, ast.Assign) and getattr(item.targets[0], "id", "") == "extra_headers"
        ]
        betas = []
        for node in headers:
            add("header", node)
            for dictionary in dictionaries(node, method):
                for key, value in zip(dictionary.keys, dictionary.values, strict=True):
                    if getattr(key, "value", None) == "anthropic-beta":
                        for text in (item.value for item in ast.walk(value) if isinstance(item, ast.Constant)):
                            betas += [beta for beta in str(text).split(",") if BETA.fullmatch(beta) and beta not in betas]
        answer = given.get("cast_to")
        if call.func.attr == "_get_api_list":
            answer = given.get("page") or call.args[1]
        said = self.type(module, answer) if answer is not None else "any"
        return {
            "route": f"{VERBS[call.func.attr]} {path}",
            "betas": sorted(betas),
            "parameters": parameters,
            "answer": "stream" if "stream" in given and said == "any" else said,
        }

    def path(self, where, node):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value, []
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "path_template":
            return self.path(where, node.args[0])[0], [keyword.arg for keyword in node.keywords]
        if isinstance(node, ast.Attribute):
            # An address that an earlier answer named.
            return "{" + node.attr + "}", []
        if isinstance(node, ast.JoinedStr):
            path, names = "", []
            for part in node.values:
                if isinstance(part, ast.Constant):
                    path += part.value
                    continue
                names.append(next(item.id for item in ast.walk(part) if isinstance(item, ast.Name) and item.id != "quote"))
                path += "{" + names[-1] + "}"
            return path, names
        raise Unreadable(f"{where}: its path is written as {ast.dump(node)[:200]}")

    # --- the rest ----------------------------------------------------------------------------------

    def betas(self):
        module = self.package.module("types/anthropic_beta_param.py")
        found = module.find("AnthropicBetaParam")
        values = [item.value for item in ast.walk(found[2]) if isinstance(item, ast.Constant) and isinstance(item.value, str)]
        return sorted(values)

    def senders(self):
        """Which part of the SDK, outside the operations, puts which beta into a request by itself."""
        senders = {}
        for module in self.package.under("."):
            if module.path.startswith(("resources/", "types/")):
                continue
            for function in (item for item in ast.walk(module.tree) if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)):
                inside = list(ast.walk(function))
                if not any(isinstance(item, ast.Constant) and item.value == "anthropic-beta" for item in inside):
                    continue
                for item in inside:
                    value = module.constant(item) if isinstance(item, ast.Name) else None
                    if value and BETA.fullmatch(value):
                        senders.setdefault(value, set()).add(module.path.rpartition("/")[0] or "client")
        return {beta: sorted(places) for beta, places in sorted(senders.items())}

    def errors(self):
        module = self.package.module("_error_classes.py")
        found = module.find("ERROR_CLASSES")
        errors = {}
        for key, value in zip(found[2].keys, found[2].values, strict=True):
            status, code = (item.value for item in key.elts)
            at = module.find(value.id)
            errors[f"{status} {code}" if code else str(status)] = at[0].path
        return errors

    def error_types(self):
        found = self.package.module("types/shared/error_type.py").find("ErrorType")
        return sorted(item.value for item in ast.walk(found[2]) if isinstance(item, ast.Constant))

    def events(self):
        module = self.package.module("types/beta/beta_webhook_event_data.py")
        found = module.find("BetaWebhookEventData")
        events = {}
        for name in [item.id for item in ast.walk(found[2]) if isinstance(item, ast.Name)]:
            at = module.find(name)
            if at and at[1] == "class" and at[0].path.startswith("types/"):
                fields = self.fields(at[0], at[2])
                events[json.loads(fields["type"])] = fields
        return events

    def headers(self):
        """Headers that the client itself puts into requests, with their value where it is always the same."""
        headers = {}
        places = [
            ("_base_client.py", None, "platform_headers"),
            ("_base_client.py", "BaseClient", "default_headers"),
            ("_client.py", "Anthropic", "default_headers"),
        ]
        for path, owner, name in places:
            module = self.package.module(path)
            function = self.function(module, owner, name)
            for dictionary in (item for item in ast.walk(function) if isinstance(item, ast.Dict)):
                for key, value in zip(dictionary.keys, dictionary.values, strict=True):
                    if isinstance(key, ast.Constant):
                        headers[key.value.lower()] = module.constant(value) or "varies"
        module = self.package.module("_client.py")
        for name in ("_api_key_auth", "_bearer_auth"):
            function = self.function(module, "Anthropic", name)
            for dictionary in (item for item in ast.walk(function) if isinstance(item, ast.Dict)):
                for key, value in zip(dictionary.keys, dictionary.values, strict=True):
                    headers[f"{key.value.lower()} ({name.strip('_')})"] = module.constant(value) or "varies"
        return headers

    def function(self, module, owner, name):
        body = module.tree.body if owner is None else module.find(owner)[2].body
        for item in body:
            if isinstance(item, ast.FunctionDef) and item.name == name:
                return item
        raise Unreadable(f"{module.path}: has no {name}")

    def version(self):
        module = self.package.module("_version.py")
        return module.constant(ast.Name("__version__"))


def is_request(node):
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in VERBS
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "self"
    )


def dictionaries(node, method):
    """The dictionaries that an expression is built from: literals, what they unpack, and local names set to literals."""
    if isinstance(node, ast.Name):
        values = [
            item.value for item in ast.walk(method) if isinstance(item, ast.Assign) and getattr(item.targets[0], "id", "") == node.id
        ]
        return [found for value in values for found in dictionaries(value, method) if value is not node]
    return [item for item in ast.walk(node) if isinstance(item, ast.Dict)]


def alias_of(node):
    if isinstance(node, ast.Call):
        for keyword in node.keywords:
            if keyword.arg == "alias" and isinstance(keyword.value, ast.Constant):
                return keyword.value.value
    return None


def type_variable(node):
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("TypeVar", "ParamSpec")


def read(root):
    reader = Reader(root)
    raw = {
        "package": "python",
        "version": reader.version(),
        "betas": reader.betas(),
        "senders": reader.senders(),
        "headers": reader.headers(),
        "errors": reader.errors(),
        "error_types": reader.error_types(),
        "events": reader.events(),
        "operations": reader.operations(),
    }
    reader.resolve_queue()
    raw["types"] = reader.types
    return raw


if __name__ == "__main__":
    json.dump(read(sys.argv[1]), sys.stdout)
