"""LiteLLM as a client library, with its defaults."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from driver import run

litellm.suppress_debug_info = True


def ask(check, piece):
    answer = litellm.completion(
        model=f"openai/{check['model']}",
        api_base=f"{check['base']}/v1",
        api_key=check["key"],
        messages=[{"role": "user", "content": check["prompt"]}],
        stream=check["stream"],
        timeout=60,
    )
    if not check["stream"]:
        piece(answer.choices[0].message.content)
        return answer.choices[0].finish_reason
    finish = None
    for chunk in answer:
        piece(chunk.choices[0].delta.content)
        finish = chunk.choices[0].finish_reason or finish
    return finish


run("litellm", ask)
