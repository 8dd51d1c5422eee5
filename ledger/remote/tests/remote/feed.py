"""Submits checkpoints to a witness with the client of aics-witness.

Arguments: the witness's URL and verifier key. Standard input: JSON lines, each with a note, the
sizes to prove from (as a map of size to base64 hashes). Output: per line the answer as JSON.
"""

import base64
import json
import sys

from aics_witness.feeder import FeederError, WitnessAhead, WitnessClient, WitnessRejected

client = WitnessClient(sys.argv[1], sys.argv[2], max_attempts=1)
for line in sys.stdin:
    asked = json.loads(line)

    def proof(old, _new, proofs=asked["proofs"]):
        return [base64.b64decode(h) for h in proofs[str(old)]]

    try:
        answer = {"lines": client.submit(asked["note"], proof)}
    except WitnessRejected as error:
        answer = {"rejected": error.status}
    except WitnessAhead as error:
        answer = {"ahead": error.known_size}
    except FeederError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
