"""curl, and what a shell script can make of its output: exit code, status, body, frames."""

import json
import subprocess
from driver import run

MARK = "\nstatus "


class CurlError(Exception):
    """curl's own exit code: the transfer was not whole."""


class HttpError(Exception):
    """A status that is no success, or an error frame in the stream."""

    def __init__(self, status, body):
        super().__init__(body)
        self.status_code = status
        self.body = json.loads(body)


def ask(check, piece):
    order = {"model": check["model"], "messages": [{"role": "user", "content": check["prompt"]}]}
    order["stream"] = check["stream"]
    command = ["curl", "--silent", "--show-error", "--no-buffer", "--max-time", "60"]
    command += ["--header", "content-type: application/json"]
    command += ["--header", f"authorization: Bearer {check['key']}"]
    command += ["--data-binary", "@-", "--write-out", MARK + "%{http_code}"]
    command.append(f"{check['base']}/v1/chat/completions")
    done = subprocess.run(command, input=json.dumps(order), capture_output=True, text=True)
    body, status = done.stdout.rsplit(MARK, 1)
    if status != "200":
        raise HttpError(int(status), body)
    if not check["stream"]:
        answer = json.loads(body)["choices"][0]
        piece(answer["message"]["content"])
        return answer["finish_reason"]
    finish = None
    for line in body.splitlines():
        if not line.startswith("data: ") or line == "data: [DONE]":
            continue
        frame = json.loads(line.removeprefix("data: "))
        if "error" in frame:
            raise HttpError(200, json.dumps(frame))
        choice = frame["choices"][0]
        piece(choice["delta"].get("content"))
        finish = choice.get("finish_reason") or finish
    if done.returncode != 0:
        raise CurlError(f"exit {done.returncode}: {done.stderr}")
    return finish


banner = subprocess.run(["curl", "--version"], capture_output=True, text=True).stdout
run(banner.split()[1], ask)
