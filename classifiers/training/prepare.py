"""Reads the data folder and writes train, dev and held-out rows into the work folder."""
import argparse
import collections
import itertools
import json
import os
import random
import re
import unicodedata

from common import LABELS, read_jsonl, write_jsonl
from pairs import is_held_out, read_pairs

# Whole sources kept out of training and calibration.
HELD_OUT = {"toxigen_demos", "rtp_decodingtrust_gen", "multijail_en", "catqa", "pyrit_jailbreak_templates",
            "bastioncorpus", "coconot_pref_prompts", "selfinstruct_seed", "selfinstruct_seed_out", "banking77_train"}
# No licence stated: never trained on. Scored as unseen sources only.
EVALUATION_ONLY = {"tensor_trust_attacks", "tensor_trust_system_prompts"}
# The requests in this set appear to be disturbed copies of a public evaluation set's requests.
LEFT_OUT = {"jailtrick_adv_suffix", "prompt_hacker_collections"}

BENIGN = {"clinc_train", "banking77_train", "gsm8k_train", "gsm8k_answers", "selfinstruct_seed", "selfinstruct_seed_out",
          "certified_safe_prompts", "cyberseceval_instruct", "coconot_pref_prompts", "coconot_pref_responses",
          "presidio_synth", "tensor_trust_system_prompts"}
BENIGN_WHEN_NEGATIVE = {"deepset_prompt_injections", "bipia", "bastioncorpus"}  # rows with injection = 0
PLAIN_REQUESTS = {"harmfulqa", "ailuminate_demo", "catqa", "multijail_en"}  # no attack wording
COMMENTS = {"davidson", "edos", "civil_toxic_spans", "mlma_en", "rtp_decodingtrust"}
RARE = ["sexual_minors", "self_harm", "illicit", "weapons"]


def expand(template, cap, rng):
    """`{a|b|}` are choices; all combinations, or `cap` of them drawn at random."""
    parts = re.split(r"\{([^{}]*)\}", template)
    choices = [p.split("|") if i % 2 else [p] for i, p in enumerate(parts)]
    total = 1
    for c in choices:
        total *= len(c)
    if total <= cap:
        out = {"".join(c) for c in itertools.product(*choices)}
    else:
        out = set()
        while len(out) < cap:
            out.add("".join(rng.choice(c) for c in choices))
    return sorted(" ".join(t.split()) for t in out)


def authored(path, rng):
    rows = []
    for line in open(path, encoding="utf-8"):
        line = line.rstrip("\n")
        if not line or line.startswith("#"):
            continue
        names, cap, template = line.split("\t")
        pos = [] if names == "benign" else names.split(",")
        for text in expand(template, int(cap), rng):
            if not pos:
                labels = {n: 0 for n in LABELS}
            elif "injection" in pos or "jailbreak" in pos:
                labels = {n: 0 for n in LABELS if n not in ("injection", "jailbreak", "unsafe", "illicit")}
            else:
                labels = {"injection": 0, "jailbreak": 0}
                if not {"violence", "weapons", "self_harm"} & set(pos):
                    labels["self_harm"] = labels["weapons"] = 0
                if "sexual" not in pos:
                    labels["sexual"] = labels["sexual_minors"] = 0
                if "hate" not in pos and "stereotype" not in pos:
                    labels["hate"] = labels["stereotype"] = 0
                if "harassment" not in pos and "hate" not in pos and "violence" not in pos:
                    labels["harassment"] = 0
                labels["unsafe"] = 1
            labels.update({n: 1 for n in pos})
            rows.append({"text": text, "source": "authored", "labels": labels, "benign": not pos})
    return rows


def complete(row):
    """Cross-source labels: what the source implies but does not spell out."""
    s, known = row["source"], {k: v for k, v in row["labels"].items() if k in LABELS}
    benign = s in BENIGN or (s in BENIGN_WHEN_NEGATIVE and known.get("injection") == 0)
    weak = []
    if benign:
        known = {**{n: 0 for n in LABELS}, **known}
    if s in PLAIN_REQUESTS and known:
        known.setdefault("jailbreak", 0)
        known.setdefault("injection", 0)
    if s in COMMENTS:
        weak = [n for n in RARE if n not in known]
    out = {"text": row["text"], "source": s, "labels": known, "benign": benign}
    if weak:
        out["weak"] = weak
    if s == "bipia":
        out["pos"] = (row.get("raw") or {}).get("pos", "")
    if "group" in row:
        out["group"] = row["group"]
    return out


def shingles(text, n=8):
    words = re.findall(r"\w+", unicodedata.normalize("NFKC", text).lower())
    return {hash(tuple(words[i:i + n])) for i in range(max(1, len(words) - n + 1))} if words else set()


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", required=True)
    ap.add_argument("--work", required=True)
    ap.add_argument("--seed", type=int, default=20)
    a = ap.parse_args()
    os.makedirs(a.work, exist_ok=True)
    rng = random.Random(a.seed)
    out = {"train": [], "dev": [], "held_out": []}
    dropped = collections.Counter()
    for split in ("train", "dev"):
        for row in read_jsonl(f"{a.data}/{split}.jsonl.gz"):
            s = row["source"]
            if s in LEFT_OUT:
                dropped[f"{s}: left out"] += 1
                continue
            r = complete(row)
            if not r["labels"]:
                dropped[f"{s}: no label"] += 1
                continue
            # An ordinary question pasted before or inside a document is not told apart from a user's own request.
            if s == "bipia" and r["labels"].get("injection") == 1 and r["pos"] != "end":
                dropped["bipia: instruction not at the end"] += 1
                continue
            out["held_out" if s in HELD_OUT | EVALUATION_ONLY else split].append(r)
    out["authored_dev"], pairs = [], []
    for r in read_pairs(os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "pairs")):
        (out["authored_dev"] if is_held_out(r["group_id"]) else pairs).append(r)
    # A held-out row that shares text with a training row says nothing about unseen sources.
    seen = set()
    for r in out["train"] + out["dev"] + pairs + out["authored_dev"]:
        seen |= shingles(r["text"])
    kept = []
    for r in out["held_out"]:
        sh = shingles(r["text"])
        if sh and len(sh & seen) / len(sh) >= 0.4:
            dropped[f"{r['source']}: overlaps with training"] += 1
        else:
            kept.append(r)
    out["held_out"] = kept
    own = authored(os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "authored.tsv"), rng)
    rng.shuffle(own)
    out["train"] += own
    out["train"] += pairs
    for name, rows in out.items():
        write_jsonl(f"{a.work}/{name}.jsonl", rows)
    report = {"rows": {k: len(v) for k, v in out.items()},
              "sources": {k: dict(collections.Counter(r["source"] for r in v)) for k, v in out.items()},
              "positives": {k: dict(collections.Counter(n for r in v for n, y in r["labels"].items() if y)) for k, v in out.items()},
              "dropped": dict(dropped), "seed": a.seed}
    json.dump(report, open(f"{a.work}/prepare.json", "w"), indent=1)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
