"""Runs checks that arrive on standard input and prints what the application saw of each.

Input: one JSON object `{"client": NAME, "checks": [{case, model, base, prompt, stream,
tokens, key}]}`; `tokens` bounds the answer, where it is not null.
Output: one JSON line per check, `{client, version, case, saw}`; `lead_ms` is how long before its
end an answer began to arrive. What is expected is not known here: the Rust test judges.

A client is a function `ask(check, piece)` that calls `piece(text)` for every piece of text it is
given and returns the finish reason. Whatever it raises is what the application would have seen.
"""

import importlib.metadata
import json
import sys
import time


def code_of(error):
    """The machine-readable reason of an error, wherever its library keeps it."""
    body = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, dict) else None
    inner = inner if isinstance(inner, dict) else {}
    code = getattr(error, "code", None)
    for found in (code, inner.get("code"), inner.get("type"), getattr(error, "type", None)):
        if isinstance(found, str) and found:
            return found
    return None


def status_of(error):
    for name in ("status_code", "code"):
        status = getattr(error, name, None)
        if isinstance(status, int) and status > 0:
            return status
    return None


def saw_of(ask, check):
    pieces, began, asked = [], [], time.monotonic()

    def piece(text):
        if text:
            pieces.append(text)
            began.append(time.monotonic())

    try:
        finish = ask(check, piece)
    except Exception as error:  # this is the observation
        said = {"error": type(error).__name__, "status": status_of(error), "code": code_of(error)}
        # All that an application could log of it.
        said["told"] = f"{error} {error!r} {getattr(error, 'body', '')}"
    else:
        said = {"finish": None if finish is None else str(finish)}
    ended = time.monotonic()
    times = {"lead_ms": int((ended - began[0]) * 1000) if began else 0}
    times["took_ms"] = int((ended - asked) * 1000)
    return {"text": "".join(pieces), "pieces": len(pieces), **times, **said}


def run(distribution, ask):
    version = distribution if distribution[0].isdigit() else importlib.metadata.version(distribution)
    order = json.load(sys.stdin)
    for check in order["checks"]:
        line = {"client": order["client"], "version": version, "case": check["case"]}
        print(json.dumps({**line, "saw": saw_of(ask, check)}), flush=True)
