// The `openai` package, with its defaults: two retries of its own.

import { require, run } from "./driver.mjs";

const OpenAI = require("openai").default;

await run("openai", async (check, piece) => {
  const client = new OpenAI({ baseURL: `${check.base}/v1`, apiKey: check.key, timeout: 60_000 });
  const messages = [{ role: "user", content: check.prompt }];
  const order = { model: check.model, messages, stream: check.stream };
  if (check.tokens) order.max_tokens = check.tokens;
  const answer = await client.chat.completions.create(order);
  if (!check.stream) {
    piece(answer.choices[0].message.content);
    return answer.choices[0].finish_reason;
  }
  let finish = null;
  for await (const chunk of answer) {
    piece(chunk.choices[0].delta.content);
    finish = chunk.choices[0].finish_reason ?? finish;
  }
  return finish;
});
