// Reads the whole surface out of the npm SDK's package: operations, types, betas, errors, default headers.
//
// It parses the sources that the package ships under src/ with the TypeScript compiler's own parser and executes nothing
// of them. What comes out is the raw surface that surface.py sorts; its form is described there. What is not understood
// is an error, never left out: a part of the surface that went missing in silence would never be reported as changed.

import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import ts from "typescript";

const VERBS = { get: "GET", post: "POST", put: "PUT", patch: "PATCH", delete: "DELETE", getAPIList: "GET" };
const BETA = /^[a-z0-9-]+-\d{4}-?\d{2}-?\d{2}$/;
const root = path.join(process.argv[2], "src");
const files = new Map();
const types = {};
const queue = [];

class Unreadable extends Error {}

// --- modules ---------------------------------------------------------------------------------------

function load(file) {
  if (!files.has(file)) {
    const source = ts.createSourceFile(file, readFileSync(path.join(root, file), "utf8"), ts.ScriptTarget.Latest, true);
    const module = { file, source, names: new Map(), spread: [] };
    for (const node of source.statements) declare(module, node);
    files.set(file, module);
  }
  return files.get(file);
}

function declare(module, node) {
  const from = node.moduleSpecifier && resolve(module.file, node.moduleSpecifier.text);
  if (ts.isImportDeclaration(node) && node.importClause) {
    const { name, namedBindings } = node.importClause;
    if (name) module.names.set(name.text, { kind: "import", from, name: "default" });
    if (namedBindings && ts.isNamespaceImport(namedBindings)) module.names.set(namedBindings.name.text, { kind: "module", from });
    if (namedBindings && ts.isNamedImports(namedBindings)) {
      for (const item of namedBindings.elements) module.names.set(item.name.text, { kind: "import", from, name: (item.propertyName ?? item.name).text });
    }
  } else if (ts.isExportDeclaration(node) && from) {
    if (!node.exportClause) module.spread.push(from);
    else if (ts.isNamedExports(node.exportClause)) {
      for (const item of node.exportClause.elements) module.names.set(item.name.text, { kind: "import", from, name: (item.propertyName ?? item.name).text });
    }
  } else if (ts.isInterfaceDeclaration(node) || ts.isClassDeclaration(node)) {
    if (node.name && !module.names.has(node.name.text)) module.names.set(node.name.text, { kind: "fields", node });
  } else if (ts.isTypeAliasDeclaration(node)) {
    module.names.set(node.name.text, { kind: "alias", node: node.type });
  } else if (ts.isVariableStatement(node)) {
    for (const item of node.declarationList.declarations) if (ts.isIdentifier(item.name)) module.names.set(item.name.text, { kind: "value", node: item.initializer });
  } else if (ts.isModuleDeclaration(node) && node.body && ts.isModuleBlock(node.body)) {
    // `export namespace UserProfile { export interface Inner … }`: types that belong to another.
    for (const inner of node.body.statements) {
      if (ts.isInterfaceDeclaration(inner)) module.names.set(`${node.name.text}.${inner.name.text}`, { kind: "fields", node: inner, inside: node.name.text });
      if (ts.isTypeAliasDeclaration(inner)) module.names.set(`${node.name.text}.${inner.name.text}`, { kind: "alias", node: inner.type, inside: node.name.text });
    }
  }
}

function resolve(file, specifier) {
  if (!specifier.startsWith(".")) return null;
  const base = path.join(path.dirname(file), specifier);
  return [`${base}.ts`, path.join(base, "index.ts")].find((name) => existsSync(path.join(root, name))) ?? null;
}

// Where a name is defined, through any number of imports; null outside the package.
function find(module, name, seen = new Set()) {
  const what = module.names.get(name);
  if (what && what.kind !== "import") return { module, name, ...what };
  if (what) return what.from ? find(load(what.from), what.name, seen) : null;
  for (const from of module.spread) {
    if (seen.has(from)) continue;
    seen.add(from);
    const found = find(load(from), name, seen);
    if (found) return found;
  }
  return null;
}

function text(module, node) {
  if (!node) return null;
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isAsExpression(node)) return text(module, node.expression);
  if (ts.isIdentifier(node)) {
    const found = find(module, node.text);
    return found?.kind === "value" ? text(found.module, found.node) : null;
  }
  if (ts.isTemplateExpression(node)) return node.head.text + node.templateSpans.map((span) => "{}" + span.literal.text).join("");
  return null;
}

// --- types -----------------------------------------------------------------------------------------

const PLAIN = new Map([
  [ts.SyntaxKind.StringKeyword, "string"],
  [ts.SyntaxKind.NumberKeyword, "number"],
  [ts.SyntaxKind.BooleanKeyword, "boolean"],
  [ts.SyntaxKind.NullKeyword, "null"],
  [ts.SyntaxKind.UndefinedKeyword, ""],
  [ts.SyntaxKind.UnknownKeyword, "any"],
  [ts.SyntaxKind.AnyKeyword, "any"],
  [ts.SyntaxKind.NeverKeyword, "never"],
  [ts.SyntaxKind.ObjectKeyword, "any"],
  [ts.SyntaxKind.VoidKeyword, "null"],
]);

function dotted(node) {
  return ts.isQualifiedName(node) ? [...dotted(node.left), node.right.text] : [node.text];
}

function reference(found) {
  const key = `@${found.module.file}:${found.name}`;
  if (!(key in types)) {
    types[key] = null;
    queue.push([key, found]);
  }
  return key;
}

// A type as one line: names of plain types, `[T]`, `{T}`, literals in quotes, `@file:Name`.
function type(module, node, inside) {
  if (!node) return "any";
  if (PLAIN.has(node.kind)) return PLAIN.get(node.kind);
  if (ts.isLiteralTypeNode(node)) return node.literal.kind === ts.SyntaxKind.NullKeyword ? "null" : ts.isStringLiteral(node.literal) ? JSON.stringify(node.literal.text) : node.literal.getText();
  if (ts.isParenthesizedTypeNode(node)) return type(module, node.type, inside);
  if (ts.isUnionTypeNode(node)) return union(node.types.map((item) => type(module, item, inside)));
  // `string & {}` is how an open list of names keeps its suggestions.
  if (ts.isIntersectionTypeNode(node)) return node.types.map((item) => type(module, item, inside)).filter((item) => item !== "any")[0] ?? "any";
  if (ts.isArrayTypeNode(node)) return `[${type(module, node.elementType, inside)}]`;
  if (ts.isTypeLiteralNode(node)) {
    const index = node.members.find(ts.isIndexSignatureDeclaration);
    return index ? `{${type(module, index.type, inside)}}` : "any";
  }
  if (ts.isTypeReferenceNode(node)) {
    const names = dotted(node.typeName);
    const args = (node.typeArguments ?? []).map((item) => type(module, item, inside));
    if (names[0] === "Array" || names[0] === "ReadonlyArray" || names[0] === "Iterable") return `[${args[0]}]`;
    if (names[0] === "Record") return `{${args[1]}}`;
    if (names[0] === "Omit" || names[0] === "Partial" || names[0] === "Pick" || names[0] === "Promise") return args[0];
    const found = named(module, names, inside);
    if (!found) return names.join(".") + (args.length ? `<${args.join(", ")}>` : "");
    return reference(found) + (args.length ? `<${args.join(", ")}>` : "");
  }
  return "any";
}

function named(module, names, inside) {
  const whole = names.join(".");
  const scoped = inside && find(module, `${inside}.${whole}`);
  if (scoped) return scoped;
  const direct = find(module, whole);
  if (direct && direct.kind !== "module") return direct;
  const first = find(module, names[0]);
  if (names.length > 1 && first?.kind === "module" && first.from) return named(load(first.from), names.slice(1));
  // `UserProfile.Inner`, where UserProfile came by an import of its own.
  if (names.length > 1 && first?.module && first.module !== module) return find(first.module, [first.name, ...names.slice(1)].join("."));
  return null;
}

function fields(found) {
  const { module, node, inside } = found;
  const result = {};
  for (const clause of node.heritageClauses ?? []) {
    if (clause.token !== ts.SyntaxKind.ExtendsKeyword || !ts.isInterfaceDeclaration(node)) continue;
    for (const parent of clause.types) {
      const base = named(module, ts.isPropertyAccessExpression(parent.expression) ? parent.expression.getText().split(".") : [parent.expression.getText()], inside);
      if (base?.kind === "fields") Object.assign(result, fields(base));
      else if (base?.kind === "alias") Object.assign(result, aliased(base));
    }
  }
  for (const member of node.members) {
    if (!(ts.isPropertySignature(member) || ts.isPropertyDeclaration(member)) || !member.name || ts.isComputedPropertyName(member.name)) continue;
    if (member.modifiers?.some((item) => item.kind === ts.SyntaxKind.StaticKeyword)) continue;
    const name = member.name.text;
    for (const spelling of [name, `${name}?`]) delete result[spelling];
    result[member.questionToken ? `${name}?` : name] = type(module, member.type, inside ?? (ts.isInterfaceDeclaration(node) ? node.name.text : undefined));
  }
  return result;
}

function aliased(found) {
  const { module, node } = found;
  if (ts.isTypeReferenceNode(node)) {
    const target = named(module, dotted(node.typeName), found.inside);
    if (target) return target.kind === "fields" ? fields(target) : aliased(target);
  }
  throw new Unreadable(`${module.file}: fields are expected in ${found.name}`);
}

function resolveQueue() {
  while (queue.length) {
    const [key, found] = queue.pop();
    if (found.kind === "alias") types[key] = { is: type(found.module, found.node, found.inside) };
    else if (found.kind === "fields") types[key] = { fields: fields(found) };
    else types[key] = { is: "any" };
  }
}

function union(members) {
  const parts = new Set(members.filter(Boolean).flatMap(split));
  return [...parts].sort().join("|");
}

// The members of a union, brackets and quotes respected.
function split(line) {
  const parts = [];
  let [depth, quoted, begin] = [0, false, 0];
  [...line].forEach((letter, at) => {
    if (letter === '"') quoted = !quoted;
    else if (!quoted && "[{<".includes(letter)) depth += 1;
    else if (!quoted && "]}>".includes(letter)) depth -= 1;
    else if (!quoted && letter === "|" && depth === 0) {
      parts.push(line.slice(begin, at));
      begin = at + 1;
    }
  });
  return [...parts, line.slice(begin)];
}

// --- operations ------------------------------------------------------------------------------------

function walk(node, visit) {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

function snake(name) {
  return name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").replaceAll("-", "_").toLowerCase();
}

function under(folder) {
  return readdirSync(path.join(root, folder)).sort().flatMap((name) => {
    const file = path.join(folder, name);
    return statSync(path.join(root, file)).isDirectory() ? under(file) : file.endsWith(".ts") ? [file] : [];
  });
}

function operations() {
  const result = {};
  for (const module of under("resources").map(load)) {
    const parts = module.file.replace(/\.ts$/, "").split("/").slice(1);
    if (parts.length > 1 && parts.at(-1) === parts.at(-2)) parts.pop();
    for (const owner of module.source.statements.filter(ts.isClassDeclaration)) {
      if (!owner.heritageClauses?.some((clause) => clause.types.some((base) => base.expression.getText() === "APIResource"))) continue;
      for (const method of owner.members.filter((member) => ts.isMethodDeclaration(member) && member.body)) {
        walk(method.body, (node) => {
          if (!isRequest(node)) return;
          const name = [...parts, method.name.text].map(snake).join(".");
          result[name] ??= operation(module, owner, method, node);
        });
      }
    }
  }
  return result;
}

function isRequest(node) {
  return ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression) && node.expression.expression.getText() === "this._client" && node.expression.name.text in VERBS;
}

function operation(module, owner, method, call) {
  const where = `${module.file}: ${method.name.text}`;
  const parameters = {};
  const [route, ...placeholders] = address(where, module, call.arguments[0]);
  for (const name of placeholders) parameters[`path.${name}`] = "string";

  // What each local name of the method holds: a whole object of parameters, one of its fields, or what is left of it.
  // An overloaded method declares its parameters in the overloads; the implementation takes any of them.
  const locals = new Map();
  for (const parameter of method.parameters) {
    if (!ts.isIdentifier(parameter.name) || parameter.name.text === "options") continue;
    const named_ = parameterFields(module, parameter.type);
    if (named_) locals.set(parameter.name.text, named_);
  }
  walk(method.body, (node) => {
    if (!ts.isVariableDeclaration(node) || !ts.isObjectBindingPattern(node.name)) return;
    let from = null;
    walk(node.initializer, (item) => {
      if (!from && ts.isIdentifier(item) && locals.has(item.text)) from = locals.get(item.text);
    });
    if (!from) return;
    const taken = new Set();
    for (const item of node.name.elements) {
      const field = (item.propertyName ?? item.name).text;
      if (item.dotDotDotToken) locals.set(item.name.text, Object.fromEntries(Object.entries(from).filter(([name]) => !taken.has(name.replace(/\?$/, "")))));
      else {
        taken.add(field);
        const key = field in from ? field : `${field}?`;
        locals.set(item.name.text, { [key]: from[key] ?? "any", only: true });
      }
    }
  });
  const entries = (value) => Object.entries(value).filter(([name]) => name !== "only");
  const add = (place, node) => {
    if (ts.isIdentifier(node) && locals.has(node.text)) {
      for (const [name, is] of entries(locals.get(node.text))) parameters[`${place}.${name}`] = is;
    } else if (ts.isObjectLiteralExpression(node)) {
      for (const property of node.properties) {
        if (ts.isSpreadAssignment(property)) walk(property.expression, (item) => ts.isIdentifier(item) && locals.has(item.text) && add(place, item));
        else if (ts.isShorthandPropertyAssignment(property) && locals.has(property.name.text)) add(place, property.name);
        else parameters[`${place}.${property.name.text}?`] = "any";
      }
    } else {
      walk(node, (item) => {
        if (item !== node && (ts.isObjectLiteralExpression(item) || (ts.isIdentifier(item) && locals.has(item.text)))) add(place, item);
      });
    }
  };

  const betas = new Set();
  const options = call.arguments.at(-1);
  walk(options, (node) => {
    const place = (ts.isPropertyAssignment(node) || ts.isShorthandPropertyAssignment(node)) && node.parent === options ? node.name.text : null;
    if (place === "body" || place === "query") add(place, ts.isShorthandPropertyAssignment(node) ? node.name : node.initializer);
    if (place !== "headers") return;
    walk(node.initializer, (item) => {
      if (!ts.isPropertyAssignment(item) || !(ts.isStringLiteral(item.name) || ts.isIdentifier(item.name))) return;
      const header = item.name.text;
      walk(item.initializer, (part) => {
        const local = ts.isIdentifier(part) && locals.get(part.text);
        if (local?.only) for (const [name, is] of entries(local)) parameters[`header.${header}${name.endsWith("?") ? "?" : ""}`] = is;
        if (header === "anthropic-beta" && ts.isStringLiteralLike(part)) for (const beta of part.text.split(",")) if (BETA.test(beta)) betas.add(beta);
      });
    });
  });
  const verb = call.expression.name.text;
  return { route: `${VERBS[verb]} ${route}`, betas: [...betas].sort(), parameters, answer: answer(module, owner, method) };
}

function parameterFields(module, node) {
  if (!node) return null;
  const members = ts.isUnionTypeNode(node) ? node.types : [node];
  let result = null;
  for (const member of members) {
    if (!ts.isTypeReferenceNode(member)) continue;
    const found = named(module, dotted(member.typeName));
    if (found?.kind === "fields" && ts.isInterfaceDeclaration(found.node)) result = { ...result, ...fields(found) };
    if (found?.kind === "alias") result = { ...result, ...parameterFields(found.module, found.node) };
  }
  return result;
}

function address(where, module, node) {
  if (ts.isStringLiteralLike(node)) return [node.text];
  if (ts.isTaggedTemplateExpression(node)) {
    const { template } = node;
    if (ts.isNoSubstitutionTemplateLiteral(template)) return [template.text];
    const names = template.templateSpans.map((span) => snake(span.expression.getText().split(".").at(-1)));
    return [template.head.text + template.templateSpans.map((span, at) => `{${names[at]}}${span.literal.text}`).join(""), ...names];
  }
  // An address that an earlier answer named.
  if (ts.isPropertyAccessExpression(node) || ts.isIdentifier(node)) return [`{${snake(node.getText().split(".").at(-1))}}`];
  throw new Unreadable(`${where}: its path is written as ${node.getText().slice(0, 200)}`);
}

// The declared answer, without what wraps every answer. Of a page it is `PageCursor<T>`.
function answer(module, owner, method) {
  const declared = method.type ?? owner.members.find((member) => ts.isMethodDeclaration(member) && member.name.text === method.name.text && member.type)?.type;
  if (!declared) return "any";
  let inner = declared;
  while (ts.isTypeReferenceNode(inner) && ["APIPromise", "PagePromise", "Promise"].includes(inner.typeName.getText()) && inner.typeArguments) inner = inner.typeArguments[0];
  if (ts.isTypeReferenceNode(inner)) {
    const found = named(module, dotted(inner.typeName));
    if (found?.kind === "alias" && ts.isTypeReferenceNode(found.node) && found.node.typeArguments) return type(found.module, found.node);
  }
  return type(module, inner);
}

// --- the rest --------------------------------------------------------------------------------------

function literals(node) {
  const found = [];
  walk(node, (item) => ts.isLiteralTypeNode(item) && ts.isStringLiteral(item.literal) && found.push(item.literal.text));
  return found;
}

// Which part of the SDK, outside the operations, puts which beta into a request by itself.
function senders() {
  const result = {};
  for (const module of under(".").filter((file) => !file.startsWith("resources/")).map(load)) {
    walk(module.source, (node) => {
      if (!(ts.isFunctionLike(node) && node.body)) return;
      let sends = false;
      const found = new Set();
      walk(node, (item) => {
        if (ts.isStringLiteral(item) && item.text === "anthropic-beta") sends = true;
        const value = ts.isIdentifier(item) ? text(module, item) : null;
        if (value && BETA.test(value)) found.add(value);
      });
      if (sends) for (const beta of found) (result[beta] ??= new Set()).add(path.dirname(module.file) === "." ? "client" : path.dirname(module.file));
    });
  }
  return Object.fromEntries(Object.entries(result).sort().map(([beta, places]) => [beta, [...places].sort()]));
}

function errors() {
  const module = load("core/error-classes.ts");
  const result = {};
  walk(module.source, (node) => {
    if (!ts.isArrayLiteralExpression(node) || node.elements.length !== 2 || !ts.isIdentifier(node.elements[1])) return;
    const key = node.elements[0];
    if (!ts.isStringLiteral(key) && !ts.isNumericLiteral(key)) return;
    result[key.text] = find(module, node.elements[1].text)?.module.file ?? "";
  });
  return result;
}

function events() {
  const module = load("resources/beta/webhooks.ts");
  const result = {};
  walk(find(module, "BetaWebhookEventData").node, (node) => {
    if (!ts.isTypeReferenceNode(node)) return;
    const all = fields(named(module, dotted(node.typeName)));
    result[JSON.parse(all.type)] = all;
  });
  return result;
}

function headers() {
  const result = {};
  const collect = (module, node, suffix = "") =>
    walk(node, (item) => {
      if (ts.isPropertyAssignment(item) && ts.isObjectLiteralExpression(item.parent) && (ts.isStringLiteral(item.name) || ts.isIdentifier(item.name)) && /^[A-Za-z][A-Za-z-]*$/.test(item.name.text) && (item.name.text.includes("-") || ["Accept", "Authorization"].includes(item.name.text))) {
        result[item.name.text.toLowerCase() + suffix] = text(module, item.initializer) ?? "varies";
      }
    });
  const client = load("client.ts");
  let found = 0;
  walk(client.source, (node) => {
    if (!ts.isMethodDeclaration(node) || !node.body) return;
    const name = node.name.getText();
    if (name === "buildHeaders") collect(client, node, ""), (found += 1);
    if (name === "apiKeyAuth" || name === "bearerAuth") collect(client, node, ` (${snake(name)})`), (found += 1);
  });
  if (found !== 3) throw new Unreadable(`client.ts: ${found} of 3 methods that make headers`);
  const platform = load("internal/detect-platform.ts");
  walk(platform.source, (node) => ts.isTypeAliasDeclaration(node) && node.name.text === "PlatformProperties" && node.type.members.forEach((member) => {
    const is = type(platform, member.type);
    result[member.name.text.toLowerCase()] = is.startsWith('"') && !is.includes("|") ? JSON.parse(is) : "varies";
  }));
  return result;
}

const betaModule = load("resources/beta/beta.ts");
const beta = find(betaModule, "AnthropicBeta");
const errorType = find(load("resources/shared.ts"), "ErrorType");
const raw = {
  package: "npm",
  version: JSON.parse(readFileSync(path.join(process.argv[2], "package.json"), "utf8")).version,
  betas: literals(beta.node).sort(),
  senders: senders(),
  headers: headers(),
  errors: errors(),
  error_types: literals(errorType.node).sort(),
  events: events(),
  operations: operations(),
};
resolveQueue();
console.log(JSON.stringify({ ...raw, types }));
