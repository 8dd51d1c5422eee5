// The `@anthropic-ai/sdk` package, with its defaults: two retries of its own.

import { require, run } from "./driver.mjs";

const Anthropic = require("@anthropic-ai/sdk").default;

await run("@anthropic-ai/sdk", async (check, piece) => {
  const client = new Anthropic({ baseURL: check.base, apiKey: check.key, timeout: 60_000 });
  const messages = [{ role: "user", content: check.prompt }];
  const order = { model: check.model, max_tokens: check.tokens ?? 200, messages };
  if (!check.stream) {
    const answer = await client.messages.create(order);
    piece(answer.content.map((block) => block.text).join(""));
    return answer.stop_reason;
  }
  const stream = client.messages.stream(order);
  stream.on("text", piece);
  return (await stream.finalMessage()).stop_reason;
});
