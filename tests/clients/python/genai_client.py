"""The `google-genai` package, with its defaults."""

from driver import run
from google import genai


def ask(check, piece):
    options = {"base_url": check["base"], "api_version": "v1beta", "timeout": 60_000}
    client = genai.Client(api_key=check["key"], http_options=options)
    order = {"model": check["model"], "contents": check["prompt"]}
    if check["stream"]:
        answers = client.models.generate_content_stream(**order)
    else:
        answers = [client.models.generate_content(**order)]
    finish = None
    for answer in answers:
        if answer.prompt_feedback and answer.prompt_feedback.block_reason:
            finish = f"prompt {answer.prompt_feedback.block_reason.name}"
        piece(answer.text)
        for candidate in answer.candidates or []:
            finish = candidate.finish_reason.name if candidate.finish_reason else finish
    return finish


run("google-genai", ask)
