"""Receipts (section 6): an entry, its path and the checkpoint that covers it."""

import re

from ledger_format import Bad, Checkpoint, Entry, Keys, decode64, handovers_of, leaf_hash, path_root


def check_receipt(proof, entry_bytes, trusted, handovers):
    head, blank, note = proof.partition(b"\n\n")
    lines = head.decode("ascii", "replace").split("\n")
    if not blank or lines.pop(0) != "c2sp.org/tlog-proof@v1":
        raise Bad("not a receipt")
    if lines and lines[0].startswith("extra "):
        extra = decode64(lines.pop(0)[len("extra ") :])
        if extra.startswith(b"countersign/handover/v1\n"):
            handovers = handovers + handovers_of(extra.decode("utf-8", "replace"), trusted.name)
    keys = Keys(trusted, handovers)
    if keys.broken:
        raise Bad("handovers that are not one line of keys")
    index = re.fullmatch("index (0|[1-9][0-9]{0,19})", lines.pop(0) if lines else "")
    if index is None:
        raise Bad("no index")
    index, path = int(index[1]), [decode64(line) for line in lines]
    checkpoint = Checkpoint(note, trusted.name)
    if index >= checkpoint.size or any(len(step) != 32 for step in path):
        raise Bad("not a path of this tree")
    checkpoint.note.check(keys.at(checkpoint.size))
    if path_root(leaf_hash(entry_bytes), index, checkpoint.size, path) != checkpoint.root:
        raise Bad("the path leads to another root")
    entry = Entry(entry_bytes)
    key = keys.at(index)
    if not entry.names(key):
        raise Bad("attested by another key")
    entry.check(key)
    return index, checkpoint.size
