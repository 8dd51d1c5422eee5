"""The `ollama` package, with its defaults."""

import ollama
from driver import run


def ask(check, piece):
    headers = {"authorization": f"Bearer {check['key']}"}
    client = ollama.Client(host=check["base"], timeout=60, headers=headers)
    messages = [{"role": "user", "content": check["prompt"]}]
    options = {"num_predict": check["tokens"]} if check["tokens"] else None
    order = {"model": check["model"], "messages": messages, "options": options}
    answer = client.chat(**order, stream=check["stream"])
    if not check["stream"]:
        piece(answer.message.content)
        return answer.done_reason
    finish = None
    for chunk in answer:
        piece(chunk.message.content)
        finish = chunk.done_reason or finish
    return finish


run("ollama", ask)
