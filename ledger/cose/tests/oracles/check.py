"""Judges receipts with two COSE implementations that are not ours.

In: a JSON object a line, {"key", "receipt", "leaf", "root", "old_root"}, all hex; old_root is empty
for inclusion receipts. Out: one line each, "scitt pycose canonical" as 0 or 1.
"""

import json
import sys

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pycose.keys import OKPKey
from pycose.keys.curves import Ed25519
from pycose.messages import Sign1Message
from scitt_cose import merkle
from scitt_cose.receipt import verify_receipt


def scitt(case):
    receipt = bytes.fromhex(case["receipt"])
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(case["key"]))
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    if case["old_root"]:
        # It has no consistency receipts; its Merkle part is asked for the path alone.
        proof = cbor2.loads(receipt).value[1][396][-2][0]
        old, new, path = cbor2.loads(proof)
        path = [bytes(node).hex() for node in path]
        return merkle.verify_consistency(case["old_root"], case["root"], old, new, path)
    result = verify_receipt(receipt, leaf_entry_hex=case["leaf"], log_public_key_pem=pem)
    return result.ok and result.root == case["root"]


def pycose(case):
    message = Sign1Message.decode(bytes.fromhex(case["receipt"]))
    message.payload = bytes.fromhex(case["root"])
    message.key = OKPKey(crv=Ed25519, x=bytes.fromhex(case["key"]))
    return message.verify_signature()


def canonical(case):
    receipt = bytes.fromhex(case["receipt"])
    item = cbor2.loads(receipt)
    kinds = item.value[1][396]
    nested = [item.value[0]] + [proof for proofs in kinds.values() for proof in proofs]
    return all(
        cbor2.dumps(cbor2.loads(part), canonical=True) == part for part in [receipt, *nested]
    )


def judge(check, case):
    try:
        return int(bool(check(case)))
    except Exception as error:
        print(f"{check.__name__}: {error!r}", file=sys.stderr)
        return 0


for line in sys.stdin:
    case = json.loads(line)
    print(judge(scitt, case), judge(pycose, case), judge(canonical, case))
