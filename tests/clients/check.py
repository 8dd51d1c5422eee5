"""What an application sees through the gateway, with the vendors' own clients.

Usage: check.py GATEWAY_BASE_URL API_KEY

Prints one line per check and exits 0 only when every check held.
"""

import sys

import anthropic
import openai

BASE, KEY = sys.argv[1].rstrip("/"), sys.argv[2]
HELLO = [{"role": "user", "content": "What is the capital of France?"}]
SECRET_TEXT = "AKIAQ3EGXKZ7WLP5TVRN"
SECRET = [{"role": "user", "content": f"Please store my key {SECRET_TEXT} for later."}]
CARD_TEXT = "4539 5787 6362 1486"
PLAIN_ANSWER = "The capital of France is Paris. It lies on the Seine."

gpt = openai.OpenAI(base_url=f"{BASE}/v1", api_key=KEY, max_retries=0, timeout=60)
claude = anthropic.Anthropic(base_url=BASE, api_key=KEY, max_retries=0, timeout=60)


def openai_plain_is_untouched():
    raw = gpt.chat.completions.with_raw_response.create(model="mock-plain", messages=HELLO)
    assert raw.headers["x-countersign-decision"] == "permit", raw.headers
    assert raw.headers["x-countersign-exchange"], raw.headers
    answer = raw.parse()
    assert answer.choices[0].message.content == PLAIN_ANSWER, answer
    assert answer.choices[0].finish_reason == "stop", answer


def openai_stream(model, messages=HELLO):
    text, finish = "", None
    for chunk in gpt.chat.completions.create(model=model, messages=messages, stream=True):
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    return text, finish


def openai_stream_is_untouched():
    assert openai_stream("mock-plain") == (PLAIN_ANSWER, "stop")


def openai_blocked(call):
    try:
        call()
    except openai.BadRequestError as error:
        assert error.code == "content_filter", error.body
        assert SECRET_TEXT not in str(error), "a refusal must not repeat what it withholds"
        return
    raise AssertionError("expected BadRequestError with code content_filter")


def openai_blocked_input_is_a_bad_request():
    openai_blocked(lambda: gpt.chat.completions.create(model="mock-plain", messages=SECRET))


def openai_blocked_input_of_a_stream_is_a_bad_request():
    openai_blocked(lambda: openai_stream("mock-plain", SECRET))


def openai_blocked_output_is_a_bad_request():
    openai_blocked(lambda: gpt.chat.completions.create(model="mock-secret", messages=HELLO))


def openai_blocked_output_ends_a_stream_as_filtered():
    try:
        text, finish = openai_stream("mock-secret")
    except openai.BadRequestError as error:  # decided before the first byte left
        assert error.code == "content_filter", error.body
        return
    assert finish == "content_filter", (text, finish)
    assert SECRET_TEXT not in text and "AKIAQ3EG" not in text, text


def openai_card_comes_redacted():
    answer = gpt.chat.completions.create(model="mock-card", messages=HELLO)
    text = answer.choices[0].message.content
    assert CARD_TEXT not in text and "valid until next year" in text, text


def openai_card_comes_redacted_in_a_stream():
    text, finish = openai_stream("mock-card")
    assert CARD_TEXT not in text and "1486" not in text, text
    assert "valid until next year" in text and finish == "stop", (text, finish)


def claude_ask(model, messages=HELLO):
    return claude.messages.create(model=model, max_tokens=200, messages=messages)


def claude_stream(model, messages=HELLO):
    with claude.messages.stream(model=model, max_tokens=200, messages=messages) as stream:
        text = "".join(stream.text_stream)
        return text, stream.get_final_message().stop_reason


def anthropic_plain_is_untouched():
    answer = claude_ask("claude-plain")
    assert answer.content[0].text == PLAIN_ANSWER, answer
    assert answer.stop_reason == "end_turn", answer


def anthropic_stream_is_untouched():
    assert claude_stream("claude-plain") == (PLAIN_ANSWER, "end_turn")


def anthropic_blocked(call):
    try:
        call()
    except anthropic.BadRequestError as error:
        assert error.body["type"] == "error", error.body
        assert error.body["error"]["type"] == "invalid_request_error", error.body
        assert SECRET_TEXT not in str(error), "a refusal must not repeat what it withholds"
        return
    raise AssertionError("expected BadRequestError")


def anthropic_blocked_input_is_a_bad_request():
    anthropic_blocked(lambda: claude_ask("claude-plain", SECRET))


def anthropic_blocked_output_is_a_bad_request():
    anthropic_blocked(lambda: claude_ask("claude-secret"))


def anthropic_blocked_output_ends_a_stream_as_refusal():
    try:
        text, reason = claude_stream("claude-secret")
    except anthropic.BadRequestError as error:  # decided before the first byte left
        assert error.body["type"] == "error", error.body
        return
    assert reason == "refusal", (text, reason)
    assert SECRET_TEXT not in text and "AKIAQ3EG" not in text, text


def anthropic_card_comes_redacted():
    text = claude_ask("claude-card").content[0].text
    assert CARD_TEXT not in text and "valid until next year" in text, text


def anthropic_card_comes_redacted_in_a_stream():
    text, reason = claude_stream("claude-card")
    assert CARD_TEXT not in text and "1486" not in text, text
    assert "valid until next year" in text and reason == "end_turn", (text, reason)


CHECKS = [
    check
    for name, check in list(globals().items())
    if callable(check)
    and name.startswith(("openai_", "anthropic_"))
    and name not in ("openai_stream", "openai_blocked", "anthropic_blocked")
]


def main():
    failed = 0
    for check in CHECKS:
        try:
            check()
            print(f"ok {check.__name__}")
        except Exception as error:  # every check runs, each failure is told
            failed += 1
            print(f"FAILED {check.__name__}: {type(error).__name__}: {error}")
    print(f"{len(CHECKS) - failed} of {len(CHECKS)} checks held")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
