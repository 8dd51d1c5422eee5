"""The `openai` package, with its defaults: two retries of its own."""

import openai
from driver import run


def ask(check, piece):
    client = openai.OpenAI(base_url=f"{check['base']}/v1", api_key=check["key"], timeout=60)
    messages = [{"role": "user", "content": check["prompt"]}]
    order = {"model": check["model"], "messages": messages, "stream": check["stream"]}
    if check["tokens"]:
        order["max_tokens"] = check["tokens"]
    answer = client.chat.completions.create(**order)
    if not check["stream"]:
        piece(answer.choices[0].message.content)
        return answer.choices[0].finish_reason
    finish = None
    for chunk in answer:
        # As most applications write it: a chunk without choices would be a crash.
        piece(chunk.choices[0].delta.content)
        finish = chunk.choices[0].finish_reason or finish
    return finish


run("openai", ask)
