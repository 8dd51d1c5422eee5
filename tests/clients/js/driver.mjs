// Runs checks that arrive on standard input and prints what the application saw of each: the same
// exchange as python/driver.py. COUNTERSIGN_CLIENTS_NODE is the folder with node_modules.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

export const require = createRequire(path.join(process.env.COUNTERSIGN_CLIENTS_NODE, "package.json"));

function versionOf(name) {
  const folder = path.join(process.env.COUNTERSIGN_CLIENTS_NODE, "node_modules", name);
  return JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8")).version;
}

function codeOf(error) {
  const body = error.data ?? error.error ?? {};
  const inner = body.error ?? body;
  return [error.code, inner.code, inner.type].find((found) => typeof found === "string") ?? null;
}

async function sawOf(ask, check) {
  const [pieces, began, asked] = [[], [], performance.now()];
  const piece = (text) => {
    if (!text) return;
    pieces.push(text);
    began.push(performance.now());
  };
  const text = () => {
    const ended = performance.now();
    const lead = began.length ? Math.round(ended - began[0]) : 0;
    const took = Math.round(ended - asked);
    return { text: pieces.join(""), pieces: pieces.length, lead_ms: lead, took_ms: took };
  };
  try {
    const finish = await ask(check, piece);
    return { ...text(), finish: finish ?? null };
  } catch (thrown) {
    // The Vercel SDK wraps the last of its own attempts.
    const error = thrown.lastError ?? thrown;
    const status = error.status ?? error.statusCode ?? null;
    // What the application sent itself is no leak.
    const others = (key, value) => (key === "requestBodyValues" ? undefined : value);
    const told = `${thrown} ${thrown.stack} ${JSON.stringify(thrown, others)}`;
    // An error frame that a client passes on as it is has no class of its own.
    const named = thrown.name && thrown.name !== "Error";
    const name = named ? thrown.name : (thrown.constructor?.name ?? typeof thrown);
    return { ...text(), error: name, status, code: codeOf(error), told };
  }
}

export async function run(distribution, ask) {
  const order = JSON.parse(readFileSync(0, "utf8"));
  const version = versionOf(distribution);
  for (const check of order.checks) {
    const line = { client: order.client, version, case: check.case, saw: await sawOf(ask, check) };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
}
