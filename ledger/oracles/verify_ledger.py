#!/usr/bin/env python3
"""An independent verifier of a ledger, written from docs/ledger-format.md and nothing else.

    verify_ledger.py TARGET --key VKEY [--since CHECKPOINT] [--handover NOTE]...
    verify_ledger.py receipt PROOF --entry ENTRY --key VKEY [--handover NOTE]...

TARGET is a data directory or a tile directory. One line per fault: kind, file, what is wrong
where. Exit codes: 0 clean, 1 a fault, 2 usage, 65 nothing to read. It needs the packages
`cryptography` (Ed25519) and `rfc8785` (canonical JSON).
"""

import argparse
import os
import re
import struct
import sys

from ledger_format import (
    ENTRY_MAX,
    SEGMENT,
    Bad,
    Checkpoint,
    Entry,
    Handover,
    Key,
    Keys,
    Note,
    files_under,
    frame_at,
    handovers_of,
    leaf_hash,
    read,
    tile_name,
    tree_root,
)
from ledger_receipt import check_receipt

ZERO = "0" * 64
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z")



def lacks_a_sector(data, start):
    """Whether a sector of an unsynced batch never arrived: it reads as zeros."""
    end, at = min(len(data), start + 65551), start
    while at < end:
        following = min(len(data), (at // 512 + 1) * 512)
        if following - at > 2 and not any(data[at:following]):
            return True
        at = following
    return False


class Verification:
    def __init__(self, target, trusted, brought):
        self.trusted, self.brought = trusted, brought
        self.faults, self.notes = [], []
        self.data = target if os.path.isdir(os.path.join(target, "ledger")) else None
        self.prefix = "ledger/" if self.data else ""
        self.tiles = os.path.join(target, "ledger") if self.data else target
        if not self.data and not os.path.exists(os.path.join(target, "checkpoint")):
            raise FileNotFoundError(f"{target} is neither a data nor a tile directory")
        self.checkpoint = None
        self.size = 0
        self.leaves, self.entries, self.where = [], [], []
        self.absent, self.pruned_before = [], 0
        self.torn = False

    def fault(self, kind, place, detail):
        self.faults.append(f"{kind} {place}: {detail}")

    def run(self, since):
        self.read_checkpoint()
        self.read_bundles()
        if self.data:
            self.read_log()
        self.pending = len(self.leaves) - self.size
        self.parse_entries()
        self.check_entries()
        self.check_pruning()
        self.check_tiles()
        self.check_root()
        if since is not None:
            self.check_older("rollback", "--since", since)
        if self.data:
            self.check_guard()
            self.check_marker()
            self.check_key_file()

    # --- reading -------------------------------------------------------------------------------

    def read_checkpoint(self):
        data = read(os.path.join(self.tiles, "checkpoint"))
        if data is None:
            if read(os.path.join(self.data, "guard/checkpoint")) is not None:
                self.notes.append("no checkpoint yet")
            return
        try:
            self.checkpoint = Checkpoint(data, self.trusted.name)
            self.size = self.checkpoint.size
        except Bad as bad:
            self.fault("checkpoint", self.prefix + "checkpoint", bad)

    def read_bundles(self):
        for number in range((self.size + 255) // 256):
            width = min(256, self.size - number * 256)
            name = tile_name("entries", number, width)
            data, place = read(os.path.join(self.tiles, name)), self.prefix + name
            if data is None:
                self.absent.append((number * 256 + width, place))
                entries = None
            else:
                entries = self.split(data, width, place)
            hashes = entries and [leaf_hash(entry) for entry in entries]
            if entries is None:
                # Not fit to be read; the tile stands in, so that the rest can still be checked.
                tile = read(os.path.join(self.tiles, tile_name(0, number, width))) or b""
                hashes = [tile[i * 32 : i * 32 + 32] for i in range(width)]
                entries = [None] * width
            self.leaves += hashes
            self.entries += entries
            self.where += [place] * width

    def split(self, data, width, place):
        entries, at = [], 0
        while at < len(data):
            length = struct.unpack_from(">H", data, at)[0] if at + 2 <= len(data) else ENTRY_MAX
            if at + 2 + length > len(data):
                self.fault("bundle", place, f"byte {at}: cut short")
                return None
            entries.append(data[at + 2 : at + 2 + length])
            at += 2 + length
        if len(entries) != width:
            self.fault("bundle", place, f"{len(entries)} entries, {width} are due")
            return None
        return entries

    def read_log(self):
        folder = os.path.join(self.data, "wal")
        if not os.path.isdir(folder):
            return self.fault("missing_file", "wal", "not there")
        names = sorted(os.listdir(folder))
        allowed = ["clean"]
        allowed += ["lock"] if read(os.path.join(folder, "lock")) == b"" else []
        stage = os.path.join(folder, "stage")
        empty = os.path.isdir(stage) and not os.listdir(stage)
        allowed += ["stage"] if empty or "clean" not in names else []
        for name in names:
            if not SEGMENT.fullmatch(name) and name not in allowed:
                self.fault("unexpected_file", f"wal/{name}", "not a file of the log")
        segments = [name for name in names if SEGMENT.fullmatch(name)]
        following = None
        for name in segments:
            first = int(name[:16], 16)
            if following is None and first > self.size:
                lacks = f"the log lacks the entries from {self.size}"
                return self.fault("wal", f"wal/{name}", lacks)
            if following is not None and first != following:
                return self.fault("wal", f"wal/{name}", f"begins at {first}, {following} is due")
            following = self.read_segment(name, first, name == segments[-1])
            if following is None:
                break
        return None

    def read_segment(self, name, index, newest):
        data, place, at = read(os.path.join(self.data, "wal", name)), f"wal/{name}", 0
        while at < len(data):
            frame = frame_at(data, at)
            if frame is None or frame[0] != index:
                clean = os.path.exists(os.path.join(self.data, "wal/clean"))
                torn = lacks_a_sector(data, at) or not any(
                    frame_at(data, later) for later in range(at + 1, len(data))
                )
                self.torn = newest and index >= self.size and torn and not clean
                if self.torn:
                    self.notes.append(f"{place} byte {at}: a torn end, never acknowledged")
                    return index
                self.fault("wal", place, f"byte {at}: not the frame of entry {index}")
                return None
            entry = frame[1]
            if index < self.size:
                known = self.entries[index]
                if leaf_hash(entry) != self.leaves[index] or known not in (None, entry):
                    self.fault("wal", place, f"byte {at}: entry {index} is published otherwise")
            else:
                self.leaves.append(leaf_hash(entry))
                self.entries.append(entry)
                self.where.append(f"{place} byte {at}")
            at, index = at + 16 + len(entry), index + 1
        return index

    # --- entries -------------------------------------------------------------------------------

    def place(self, index):
        return f"{self.where[index]}", f"entry {index}: "

    def parse_entries(self):
        self.parsed, handovers = {}, []
        for index, data in enumerate(self.entries):
            if data is None:
                continue
            place, at = self.place(index)
            try:
                entry = Entry(data)
                if entry.handover is not None:
                    handover = Handover(entry.handover, self.trusted.name)
                    if handover.index != index:
                        raise Bad(f"a handover that belongs into entry {handover.index}")
                    handovers.append(handover)
                if entry.pruned_before is not None:
                    self.pruned_before = max(self.pruned_before, entry.pruned_before)
                self.parsed[index] = entry
            except Bad as bad:
                self.fault("entry", place, f"{at}{bad}")
        # What the reader brings along stands in for entries that are not here.
        for handover in self.brought:
            if self.entries[handover.index : handover.index + 1] == [None]:
                handovers.append(handover)
        self.keys = Keys(self.trusted, handovers)
        for handover in self.keys.broken:
            place, at = self.place(handover.index)
            self.fault("authority", place, f"{at}a handover that does not continue the line of keys")

    def check_entries(self):
        heads, unknown = {}, False
        for index in range(len(self.entries)):
            entry = self.parsed.get(index)
            if entry is None:
                # A chain may have gone on, begun or ended in what is not there.
                heads, unknown = {}, True
                continue
            place, at = self.place(index)
            seq, prev = heads.get(entry.uid, (None if unknown else 0, ZERO))
            if seq is not None and (entry.seq, entry.prev) != (seq, prev):
                self.fault("chain", place, f"{at}does not follow the chain's entry before")
            if seq is None and (entry.seq == 0) != (entry.prev == ZERO):
                self.fault("chain", place, f"{at}a first entry with an entry before it")
            heads[entry.uid] = (entry.seq + 1, entry.hash)
            key = self.keys.at(index)
            if not entry.names(key):
                self.fault("authority", place, f"{at}attested by {entry.authority} {entry.key_id}")
                continue
            try:
                entry.check(key)
            except Bad as bad:
                self.fault("signature", place, f"{at}{bad}")

    def check_pruning(self):
        for end, place in self.absent:
            if end > self.pruned_before:
                self.fault("missing_file", place, "not there, and not pruned")
        if self.absent:
            self.notes.append(f"{len(self.absent)} bundles are absent")

    # --- the tree ------------------------------------------------------------------------------

    def check_tiles(self):
        due, hashes = {}, self.leaves
        for level in range(8):
            for number in range((len(hashes) + 255) // 256):
                part = hashes[number * 256 : number * 256 + 256]
                due[level, number] = part
                published = (self.size >> 8 * level) - number * 256
                if published > 0:
                    name = tile_name(level, number, min(256, published))
                    if not os.path.exists(os.path.join(self.tiles, name)):
                        self.fault("missing_file", self.prefix + name, "not there")
            full = range(0, len(hashes) - len(hashes) % 256, 256)
            hashes = [tree_root(hashes[at : at + 256]) for at in full]
        for name in files_under(self.tiles):
            if name != "checkpoint":
                self.check_tile(name, due)

    def check_tile(self, name, due):
        place = self.prefix + name
        match = re.fullmatch(r"tile/(entries|[0-7])/((?:x\d{3}/)*\d{3})(?:\.p/(\d{1,3}))?", name)
        if match is None:
            return self.fault("unexpected_file", place, "not a file of a tile directory")
        number = int(match[2].replace("x", "").replace("/", ""))
        width = int(match[3]) if match[3] else 256
        level = 0 if match[1] == "entries" else int(match[1])
        part = due.get((level, number), [])
        if not 0 < width <= len(part) or tile_name(match[1], number, width) != name:
            return self.fault("unexpected_file", place, "no entries account for it")
        data = read(os.path.join(self.tiles, name))
        if match[1] != "entries":
            if data != b"".join(part[:width]):
                self.fault("tile", place, "not the hashes that the entries make")
            return None
        entries = self.split(data, width, place)
        if entries and [leaf_hash(entry) for entry in entries] != part[:width]:
            self.fault("bundle", place, "other entries than the newest bundle's")
        return None

    def check_root(self):
        if self.checkpoint is None:
            return
        place = self.prefix + "checkpoint"
        try:
            self.checkpoint.note.check(self.keys.at(self.size))
        except Bad as bad:
            self.fault("checkpoint", place, bad)
        if tree_root(self.leaves[: self.size]) != self.checkpoint.root:
            self.fault("root", place, "the entries make another root")

    def check_older(self, kind, place, data):
        """An older checkpoint of this log: signed by its key, a prefix of the tree."""
        try:
            older = Checkpoint(data, self.trusted.name)
            older.note.check(self.keys.at(older.size))
        except Bad as bad:
            return self.fault("checkpoint", place, bad)
        limit = self.size if kind == "rollback" else len(self.leaves)
        if older.size > limit:
            self.fault("rollback", place, f"{older.size} entries were signed, {limit} are here")
        elif tree_root(self.leaves[: older.size]) != older.root:
            self.fault("rollback", place, "signed over other entries")
        return older

    # --- the rest of a data directory ----------------------------------------------------------

    def check_guard(self):
        folder = os.path.join(self.data, "guard")
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            if name == "clock":
                self.check_clock(read(os.path.join(folder, name)))
            elif name != "checkpoint":
                self.fault("unexpected_file", f"guard/{name}", "not a file of the guard")
        data = read(os.path.join(folder, "checkpoint"))
        if data is None:
            if self.checkpoint is not None:
                self.fault("missing_file", "guard/checkpoint", "not there")
            return
        guard = self.check_older("guard", "guard/checkpoint", data)
        if guard is not None and guard.size < self.size:
            self.fault("guard", "guard/checkpoint", "older than the checkpoint")
        if self.checkpoint is None and guard is not None and guard.size > 0 and not self.faults:
            self.notes.append("the first checkpoint was signed and not put in place")

    def check_clock(self, data):
        try:
            note = Note(data)
            ids = [signature[1] for signature in note.signatures]
            signers = [key for key in self.keys.all if key.id in ids]
            lines = note.text[:-1].split("\n")
            if not signers or lines[:2] != ["countersign/clock/v1", self.trusted.name]:
                raise Bad("not a clock of this log")
            if len(lines) != 3 or not TIME.fullmatch(lines[2]):
                raise Bad("not a time")
            note.check(signers[0])
        except Bad as bad:
            self.fault("guard", "guard/clock", bad)

    def check_marker(self):
        marker = read(os.path.join(self.data, "wal/clean"))
        if marker is None:
            return
        if marker != f"countersign/clean/v1\n{self.size}\n".encode() or self.pending:
            self.fault("clean_marker", "wal/clean", "not what a clean stop leaves")

    def check_key_file(self):
        key = self.keys.at(len(self.entries))
        found = read(os.path.join(self.data, "keys/ledger.vkey"))
        if found is None:
            self.fault("missing_file", "keys/ledger.vkey", "not there")
        elif found != f"{key.text}\n".encode():
            self.fault("key", "keys/ledger.vkey", "another key")


# --- the command line --------------------------------------------------------------------------


def bring(names, origin):
    return [h for name in names for h in handovers_of(must_read(name).decode("utf-8"), origin)]


def must_read(name):
    data = read(name)
    if data is None:
        raise FileNotFoundError(f"{name} is not there")
    return data


def receipt(options):
    proof, entry = must_read(options.target), must_read(options.entry)
    try:
        brought = bring(options.handover, options.key.name)
        index, size = check_receipt(proof, entry, options.key, brought)
    except Bad as bad:
        print(f"receipt {options.target}: {bad}")
        return 1
    print(f"entry {index} of {size}")
    return 0


def directory(options):
    since = must_read(options.since) if options.since else None
    verification = Verification(
        options.target, options.key, bring(options.handover, options.key.name)
    )
    verification.run(since)
    for line in verification.faults:
        print(line)
    for line in verification.notes:
        print(f"note: {line}", file=sys.stderr)
    if not verification.faults:
        print(f"clean: {verification.size} entries, {verification.pending} pending")
    return 1 if verification.faults else 0


def key_argument(text):
    try:
        return Key(text.strip())
    except Bad as bad:
        raise argparse.ArgumentTypeError(str(bad)) from bad


def main(arguments):
    of_receipt = arguments[:1] == ["receipt"]
    parser = argparse.ArgumentParser(description="Verifies a ledger or a receipt.")
    parser.add_argument("target")
    parser.add_argument("--key", required=True, type=key_argument)
    parser.add_argument("--handover", action="append", default=[])
    if of_receipt:
        parser.add_argument("--entry", required=True)
    else:
        parser.add_argument("--since")
    options = parser.parse_args(arguments[1:] if of_receipt else arguments)
    try:
        return receipt(options) if of_receipt else directory(options)
    except (OSError, Bad, ValueError) as error:
        print(error, file=sys.stderr)
        return 65


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
