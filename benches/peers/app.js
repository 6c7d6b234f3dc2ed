// User profiles, to list and to get, as one commonly writes it with Express and better-sqlite3: prepared statements, parts of a row as JSON.

import { createHash } from "node:crypto";
import Database from "better-sqlite3";
import express from "express";

const database = new Database(process.env.DATABASE, { readonly: true });
const NEWEST_FIRST = "ORDER BY created_at DESC, id DESC LIMIT ?";
const findKey = database.prepare("SELECT 1 FROM api_keys WHERE sha256 = ?");
const findProfile = database.prepare("SELECT * FROM user_profiles WHERE id = ?");
const firstPage = database.prepare(`SELECT * FROM user_profiles ${NEWEST_FIRST}`);
const laterPage = database.prepare(`SELECT * FROM user_profiles WHERE (created_at, id) < (?, ?) ${NEWEST_FIRST}`);

// Whole seconds are written without a fraction.
const time = (text) => text.replace(".000000Z", "Z");

const profile = (row) => ({
  id: row.id,
  access_type: row.access_type,
  created_at: time(row.created_at),
  enforcement_actions: JSON.parse(row.enforcement_actions),
  enforcement_status: row.enforcement_status,
  external_user_details: JSON.parse(row.external_user_details),
  metadata: JSON.parse(row.metadata),
  name: row.name,
  programs: JSON.parse(row.programs),
  type: "user_profile",
  updated_at: time(row.updated_at),
});

const summary = (row) => {
  const shown = profile(row);
  const cyber = shown.programs.cyber;
  return { ...shown, programs: { cyber: cyber && { requirements: null, status: cyber.status, tiers: {} }, efs: null } };
};

const app = express();

app.use((request, response, next) => {
  const key = request.get("x-api-key") ?? (request.get("authorization") ?? "").replace(/^Bearer /, "");
  if (findKey.get(createHash("sha256").update(key).digest("hex"))) return next();
  response.status(401).json({ error: "the key is not known" });
});

app.get("/v1/user_profiles", (request, response) => {
  const limit = Number(request.query.limit ?? 20);
  if (!(Number.isInteger(limit) && limit >= 1 && limit <= 100)) return response.status(400).json({ error: "limit: must be from 1 to 100" });
  const { page } = request.query;
  const place = page === undefined ? [] : Buffer.from(String(page), "base64url").toString().split(",");
  if (page !== undefined && place.length !== 2) return response.status(400).json({ error: "page: is not a next_page of an answer" });
  const found = page === undefined ? firstPage.all(limit + 1) : laterPage.all(...place, limit + 1);
  const rows = found.slice(0, limit);
  const last = rows.at(-1);
  const token = found.length > limit ? Buffer.from(`${last.created_at},${last.id}`).toString("base64url") : null;
  response.json({ data: rows.map(summary), next_page: token });
});

app.get("/v1/user_profiles/:id", (request, response) => {
  const row = findProfile.get(request.params.id);
  if (!row) return response.status(404).json({ error: "no such profile" });
  response.json(profile(row));
});

app.listen(Number(process.argv[2]), "127.0.0.1");
