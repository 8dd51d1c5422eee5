// The Vercel AI SDK (`ai` with `@ai-sdk/openai-compatible`), with its defaults: two retries of its
// own, which heed no header.

import { require, run } from "./driver.mjs";

const { generateText, streamText } = require("ai");
const { createOpenAICompatible } = require("@ai-sdk/openai-compatible");

await run("ai", async (check, piece) => {
  const provider = createOpenAICompatible({ name: "gateway", baseURL: `${check.base}/v1`, apiKey: check.key });
  const order = { model: provider(check.model), prompt: check.prompt };
  if (!check.stream) {
    const answer = await generateText(order);
    piece(answer.text);
    return answer.finishReason;
  }
  let finish = null;
  for await (const part of streamText({ ...order, onError: () => {} }).fullStream) {
    if (part.type === "text-delta") piece(part.text);
    if (part.type === "finish") finish = part.finishReason;
    if (part.type === "error") throw part.error;
  }
  return finish;
});
