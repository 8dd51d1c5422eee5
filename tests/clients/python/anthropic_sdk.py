"""The `anthropic` package, with its defaults: two retries of its own."""

import anthropic
from driver import run


def ask(check, piece):
    client = anthropic.Anthropic(base_url=check["base"], api_key=check["key"], timeout=60)
    messages = [{"role": "user", "content": check["prompt"]}]
    order = {"model": check["model"], "max_tokens": check["tokens"] or 200}
    order["messages"] = messages
    if not check["stream"]:
        answer = client.messages.create(**order)
        piece("".join(block.text for block in answer.content))
        return answer.stop_reason
    with client.messages.stream(**order) as stream:
        for text in stream.text_stream:
            piece(text)
        return stream.get_final_message().stop_reason


run("anthropic", ask)
