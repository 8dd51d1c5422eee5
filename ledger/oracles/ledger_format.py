"""The bytes of a ledger, written from docs/ledger-format.md and nothing else.

Ed25519: OpenSSL (through `cryptography`) checks that `s` is reduced and compares without cofactor.
It accepts points of small order; `small_order` refuses those.
"""

import base64
import hashlib
import json
import os
import re
import struct

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ENTRY_DOMAIN = b"countersign/entry/v1\n"
ENTRY_MAX = 65_535
NOTE_MAX = 1 << 20
HANDOVER_MAX = 4096
SIGNATURES_MAX = 64
LEVELS_MAX = 64
INTEGER_MAX = (1 << 53) - 1
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
SEGMENT = re.compile(r"[0-9a-f]{16}\.wal")


class Bad(Exception):
    """Bytes that do not follow the format, or a signature that does not verify."""


# --- section 2: keys and notes -----------------------------------------------------------------

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


def small_order(point):
    """Whether an encoded point has order 1, 2, 4 or 8; its y coordinate tells."""
    y = int.from_bytes(point, "little") % 2**255 % P
    return y == 0 or y * y % P == 1 or (D * pow(y, 4, P) + 2 * y * y - 1) % P == 0


def decode64(text):
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Bad("not base64") from error
    if base64.b64encode(value).decode() != text:
        raise Bad("not the one base64 of its bytes")
    return value


def valid_name(name):
    return name != "" and "+" not in name and not any(c.isspace() or ord(c) < 32 for c in name)


class Key:
    def __init__(self, text):
        name, _, rest = text.partition("+")
        wanted, _, body = rest.partition("+")
        data = decode64(body)
        if not valid_name(name) or len(data) != 33 or data[0] != 1:
            raise Bad("not an Ed25519 verifier key")
        self.text, self.name, self.public = text, name, data[1:]
        self.id = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
        if wanted != self.id.hex():
            raise Bad("the key id is not that of the key")
        if small_order(self.public):
            raise Bad("a key of small order")
        self.key = Ed25519PublicKey.from_public_bytes(self.public)

    def verify(self, message, signature):
        if len(signature) != 64 or small_order(signature[:32]):
            raise Bad("not a strict signature")
        try:
            self.key.verify(signature, message)
        except InvalidSignature as error:
            raise Bad("the signature does not verify") from error


class Note:
    """Section 6: text, blank line, signature lines."""

    def __init__(self, data):
        if len(data) > NOTE_MAX:
            raise Bad("longer than a note may be")
        try:
            whole = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Bad("not UTF-8") from error
        if any((ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160 for c in whole):
            raise Bad("a control character")
        at = whole.rfind("\n\n")
        if at < 0 or not whole.endswith("\n"):
            raise Bad("not a note")
        self.text, lines = whole[: at + 1], whole[at + 2 : -1].split("\n")
        if len(lines) > SIGNATURES_MAX:
            raise Bad("more signatures than a note may have")
        self.signatures = []
        for line in lines:
            dash, _, rest = line.partition(" ")
            name, _, encoded = rest.partition(" ")
            payload = decode64(encoded)
            if dash != "\u2014" or not valid_name(name) or len(payload) < 5:
                raise Bad("not a signature line")
            self.signatures.append((name, payload[:4], payload[4:]))

    def check(self, key):
        mine = [s for name, key_id, s in self.signatures if (name, key_id) == (key.name, key.id)]
        if not mine:
            raise Bad(f"no signature by {key.text}")
        for signature in mine:
            key.verify(self.text.encode(), signature)


class Checkpoint:
    def __init__(self, data, origin):
        self.note = Note(data)
        lines = self.note.text[:-1].split("\n")
        if len(lines) != 3 or not re.fullmatch("0|[1-9][0-9]{0,19}", lines[1]):
            raise Bad("not a checkpoint")
        self.size, self.root = int(lines[1]), decode64(lines[2])
        if len(self.root) != 32 or self.size >= 1 << 64:
            raise Bad("not a checkpoint")
        if lines[0] != origin:
            raise Bad(f"the origin is {lines[0]}")


class Handover:
    """Section 2: both keys say that the second takes over after the entry that carries this."""

    def __init__(self, text, origin):
        if len(text.encode()) > HANDOVER_MAX:
            raise Bad("longer than a handover may be")
        note = Note(text.encode())
        lines = note.text[:-1].split("\n")
        if len(lines) != 5 or lines[0] != "countersign/handover/v1" or lines[1] != origin:
            raise Bad("not a handover of this log")
        self.old, self.new = Key(lines[2]), Key(lines[3])
        if not re.fullmatch("0|[1-9][0-9]{0,19}", lines[4]):
            raise Bad("not an index")
        self.index = int(lines[4])
        keys = [(self.old.name, self.old.id), (self.new.name, self.new.id)]
        if {origin} != {self.old.name, self.new.name} or self.old.id == self.new.id:
            raise Bad("not two keys of this log")
        if [signature[:2] for signature in note.signatures] != keys:
            raise Bad("not signed by the old and then the new key alone")
        note.check(self.old)
        note.check(self.new)


def handovers_of(text, origin):
    """Statements one after the other, a blank line between them; each has eight lines."""
    lines = text.split("\n")
    found = []
    while lines:
        found.append(Handover("\n".join(lines[:8]) + "\n", origin))
        if lines[8:9] != [""]:
            raise Bad("statements that are not parted by a blank line")
        lines = lines[9:]
    return found


class Keys:
    """Every key that handovers connect with the one key that the reader trusts."""

    def __init__(self, trusted, handovers):
        known, waiting = {trusted.text}, sorted(handovers, key=lambda h: h.index)
        self.line = []
        while connected := [h for h in waiting if {h.old.text, h.new.text} & known]:
            for handover in connected:
                known |= {handover.old.text, handover.new.text}
                waiting.remove(handover)
            self.line += connected
        self.line.sort(key=lambda h: h.index)
        self.first = self.line[0].old if self.line else trusted
        self.all = [self.first] + [handover.new for handover in self.line]
        self.broken, ids, last = [], {self.first.id}, self.first.text
        for handover in self.line:
            if handover.old.text != last or handover.new.id in ids:
                self.broken.append(handover)
            ids.add(handover.new.id)
            last = handover.new.text

    def at(self, index):
        """The key that attests entry `index` and signs the checkpoint of `index` entries."""
        key = self.first
        for handover in self.line:
            if handover.index < index:
                key = handover.new
        return key


# --- section 3: entries ------------------------------------------------------------------------


def no_duplicates(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Bad("a member twice")
    return members


def refuse_number(text):
    raise Bad(f"the number {text} is not an integer")


def check_values(value, level):
    if level > LEVELS_MAX:
        raise Bad("nested too deep")
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            check_values(item, level + 1)
    elif isinstance(value, int) and abs(value) > INTEGER_MAX:
        raise Bad("an integer of more than 53 bits")


def is_index(value):
    return type(value) is int and value >= 0


class Entry:
    def __init__(self, data):
        if len(data) > ENTRY_MAX:
            raise Bad("longer than an entry may be")
        try:
            members = json.loads(
                data.decode("utf-8"),
                object_pairs_hook=no_duplicates,
                parse_float=refuse_number,
                parse_constant=refuse_number,
            )
            if not isinstance(members, dict):
                raise Bad("not an object")
            check_values(members, 0)
            if rfc8785.dumps(members) != data:
                raise Bad("not in canonical form")
        except (ValueError, RecursionError, rfc8785.CanonicalizationError) as error:
            raise Bad(f"not canonical JSON: {error}") from error
        self.uid, self.seq, self.prev = (members.get(n) for n in ("chain_uid", "seq", "prev"))
        if not isinstance(self.uid, str) or not UUID.fullmatch(self.uid):
            raise Bad("chain_uid is not a UUID")
        if not is_index(self.seq):
            raise Bad("seq is not a position")
        if not isinstance(self.prev, str) or not re.fullmatch("[0-9a-f]{64}", self.prev):
            raise Bad("prev is not a hash")
        self.handover = self.pruned_before = None
        if "ledger" in members:
            said = members["ledger"]
            if not isinstance(said, dict) or len(said) != 1:
                raise Bad("ledger is not an object of one member")
            self.handover, self.pruned_before = said.get("handover"), said.get("pruned_before")
            if not isinstance(self.handover, str) and not is_index(self.pruned_before):
                raise Bad("ledger says nothing known")
        self.read_attestation(members)

    def read_attestation(self, members):
        attestation = members.get("attestation")
        if not isinstance(attestation, dict) or len(attestation) != 6:
            raise Bad("attestation is not an object of six members")
        fixed = [attestation.get(n) for n in ("algorithm", "algorithm_id", "serialization_id")]
        signatures = attestation.pop("signatures", None)
        if fixed != ["Ed25519", 99, 2] or not isinstance(signatures, list) or len(signatures) != 1:
            raise Bad("attestation is of another kind")
        self.authority, self.key_id = (attestation.get(n) for n in ("authority_uid", "key_uid"))
        if not isinstance(self.authority, str) or not isinstance(self.key_id, str):
            raise Bad("attestation names no key")
        if not isinstance(signatures[0], str):
            raise Bad("attestation has no signature")
        self.signature = decode64(signatures[0])
        self.message = ENTRY_DOMAIN + rfc8785.dumps(members)
        self.hash = hashlib.sha256(self.message).hexdigest()

    def check(self, key):
        key.verify(self.message, self.signature)

    def names(self, key):
        return (self.authority, self.key_id) == (key.name, key.id.hex())


# --- sections 4 and 5: hashes and tiles --------------------------------------------------------


def leaf_hash(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def tree_root(hashes):
    """The root over any number of leaves: an odd last node moves up as it is."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    while len(hashes) > 1:
        pairs = [node_hash(a, b) for a, b in zip(hashes[::2], hashes[1::2])]
        hashes = pairs + hashes[len(pairs) * 2 :]
    return hashes[0]


def path_root(leaf, index, size, path):
    """RFC 6962 section 2.1.1 read backwards: the root that an inclusion path leads to."""
    if size == 1:
        if path:
            raise Bad("a path longer than the tree is high")
        return leaf
    if not path:
        raise Bad("a path shorter than the tree is high")
    split = 1 << ((size - 1).bit_length() - 1)
    if index < split:
        return node_hash(path_root(leaf, index, split, path[:-1]), path[-1])
    return node_hash(path[-1], path_root(leaf, index - split, size - split, path[:-1]))


def tile_name(level, number, width):
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03}")
    return f"tile/{level}/{'/'.join(groups)}" + ("" if width == 256 else f".p/{width}")


def read(path):
    """The bytes of a file, or nothing where there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def files_under(root):
    for folder, _, names in os.walk(root):
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), root)


# --- section 7: the write-ahead log ------------------------------------------------------------


def crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


CRC = crc_table()


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = CRC[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def frame_at(data, at):
    """The index and entry of the whole frame at an offset, or nothing."""
    if at + 16 > len(data):
        return None
    length, index, crc = struct.unpack_from(">IQI", data, at)
    entry = data[at + 16 : at + 16 + length]
    if length > ENTRY_MAX or len(entry) != length or crc32c(data[at : at + 12] + entry) != crc:
        return None
    return index, entry
