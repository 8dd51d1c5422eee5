"""LangChain's `ChatOpenAI`, with its defaults."""

from driver import run
from langchain_openai import ChatOpenAI


def ask(check, piece):
    chat = ChatOpenAI(
        base_url=f"{check['base']}/v1", api_key=check["key"], model=check["model"], timeout=60
    )
    if not check["stream"]:
        answer = chat.invoke(check["prompt"])
        piece(answer.text)
        return answer.response_metadata.get("finish_reason")
    finish = None
    for chunk in chat.stream(check["prompt"]):
        piece(chunk.text)
        finish = chunk.response_metadata.get("finish_reason") or finish
    return finish


run("langchain-openai", ask)
