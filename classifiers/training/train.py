"""Trains the classifier. Seeded, resumable; CUDA with bf16 autocast when there is one, else CPU in f32
(measured on a 2-core AVX-512 machine: f32 is twice as fast as bf16 there)."""
import argparse
import collections
import json
import math
import os
import random
import time

import numpy as np
import torch
import torch.nn.functional as F

from common import BODY, INDEX, LABELS, batch_tensors, encode, load_base, load_exported, load_tokenizer, read_jsonl
from pairs import pieces, salad, swap

# Copies of a source in one epoch; a fraction draws that share afresh each epoch. The authored pairs weigh most; the older
# sources are replayed at a smaller share, so that what they taught is kept.
SHARE = {"davidson": 0.04, "edos": 0.05, "civil_toxic_spans": 0.06, "mlma_en": 0.08, "rtp_decodingtrust": 0.2,
         "diasafety": 0.1, "decodingtrust_stereotypes": 0.2, "gptfuzz_responses": 0.12, "presidio_synth": 0.1,
         "harmfulqa": 0.25, "ailuminate_demo": 1.0, "inthewild_jailbreaks": 0.6, "gptfuzzer_templates": 1.0,
         "deepset_prompt_injections": 1.0, "bipia": 0.5, "xsafety_goal_hijack": 0.5, "clinc_train": 0.25,
         "gsm8k_train": 0.15, "gsm8k_answers": 0.2, "certified_safe_prompts": 1.0, "cyberseceval_instruct": 0.3,
         "t0_tasks": 0.4, "coconot_pref_responses": 0.4, "authored": 0.5,
         "pairs_hate": 1.5, "pairs_requests": 1.5, "pairs_moderation": 1.5, "pairs_attacks": 1.5, "pairs_ordinary": 1.5}
SALAD = 0.12                    # groups of requests that get optimised-looking tails
SWAP = 0.5                      # groups about people whose identity terms are exchanged
MARGIN, RANKING = 2.0, 0.3      # harmful above harmless of the same group: wanted distance of logits, weight of the term
NEGATIVE_TOXICITY_SHARE = 0.12   # rows with toxicity = 0 in large comment sources are kept at this share
LEET = str.maketrans({"a": "4", "e": "3", "i": "1", "o": "0", "s": "5"})


def noise(text, rng):
    """Light character noise: typing slips, doubled letters, look-alike digits, spaced letters, lost punctuation."""
    kind = rng.random()
    if kind < 0.45:
        chars = list(text)
        for _ in range(max(1, len(chars) // 40)):
            i = rng.randrange(len(chars))
            r = rng.random()
            if r < 0.35:
                chars[i] = ""
            elif r < 0.7:
                chars[i] = chars[i] * 2
            elif i + 1 < len(chars):
                chars[i], chars[i + 1] = chars[i + 1], chars[i]
        return "".join(chars) or text
    if kind < 0.65:
        words = text.split(" ")
        for i in range(len(words)):
            if rng.random() < 0.4:
                words[i] = words[i].translate(LEET)
        return " ".join(words)
    if kind < 0.8:
        return text.rstrip(".!? ")
    if kind < 0.9:
        return text.replace(",", "").replace("'", "")
    return '"' + text + '"'


def targets(row):
    y = np.zeros(len(LABELS), dtype=np.float32)
    w = np.zeros(len(LABELS), dtype=np.float32)
    for n, v in row["labels"].items():
        y[INDEX[n]], w[INDEX[n]] = v, 1.0
    for n in row.get("weak", ()):
        w[INDEX[n]] = 0.2
    return y, w


def cut(ids, row, rng):
    """One window of a long text."""
    if len(ids) <= BODY:
        return ids
    if row["source"] == "bipia" and row["labels"].get("injection"):
        return ids[-BODY:]                      # the instruction stands at the end
    if rng.random() < 0.5:
        return ids[:BODY]
    s = rng.randrange(len(ids) - BODY + 1)
    return ids[s:s + BODY]


def draw(rows, rng):
    """Rows of one epoch in order: (row, copy); the members of a pair group come together, in the same copies."""
    units, groups = [], collections.defaultdict(list)
    for i, r in enumerate(rows):
        if "group_id" in r:
            groups[r["group_id"]].append(i)
            continue
        share = SHARE.get(r["source"], 1.0)
        if r["labels"].get("toxicity") == 0 and share < 1:
            share = max(share, NEGATIVE_TOXICITY_SHARE)
        if r["source"] in ("davidson", "edos", "mlma_en") and r["labels"].get("hate") == 1:
            share = max(share, 0.1)
        units += [[i]] * (int(share) + (rng.random() < share - int(share)))
    for members in groups.values():
        share = SHARE.get(rows[members[0]]["source"], 1.0)
        units += [members] * (int(share) + (rng.random() < share - int(share)))
    rng.shuffle(units)
    return units


def present(unit, rows, vocabulary, rng):
    """Texts and labels of one unit: identity terms exchanged, tails of token salad, light noise."""
    texts, labels = [rows[i]["text"] for i in unit], [rows[i]["labels"] for i in unit]
    first = rows[unit[0]]
    if first.get("group_id") and rng.random() < SWAP:
        texts = swap(texts, rng)
    if first["source"] in ("pairs_requests", "pairs_moderation", "pairs_attacks") and rng.random() < SALAD:
        for k, i in enumerate(unit):
            if rows[i]["kind"] != "prompt" or len(texts[k]) > 240:
                continue
            texts[k] += " " + salad(vocabulary, rng)
            if labels[k]["unsafe"]:
                labels[k] = {**labels[k], "jailbreak": 1}
    return [noise(t, rng) if rng.random() < 0.12 else t for t in texts], labels


def build_epoch(rows, tok, seed, epoch, dilute=0.18):
    """Samples, disturbs, dilutes and cuts rows; returns token bodies, targets, weights and the unit each body belongs to."""
    rng = random.Random(seed * 1000 + epoch)
    vocabulary = pieces(tok)
    chosen, texts, labels, owner = [], [], [], []
    for u, unit in enumerate(draw(rows, rng)):
        t, l = present(unit, rows, vocabulary, rng)
        chosen += unit
        texts += t
        labels += l
        owner += [u] * len(unit)
    ids = encode(tok, texts)
    pool = [j for j, i in enumerate(chosen) if rows[i]["benign"] and len(ids[j]) >= 3]
    bodies, ys, ws = [], [], []
    for j, i in enumerate(chosen):
        row = {**rows[i], "labels": labels[j]}
        y, w = targets(row)
        body = cut(ids[j], row, rng)
        harmful = bool((y * w).any())
        p = dilute if harmful else (0.3 if row["benign"] else 0.05)
        if "group_id" in row:
            p *= 0.25                           # contrast is clearest in the bare text, and bare texts are quick
        if len(body) < BODY - 10 and rng.random() < p:
            room = BODY - len(body)
            if rng.random() < 0.7:
                room = rng.randrange(8, room + 1) if room > 8 else room
            before, after = [], []
            side = rng.choice(("before", "after", "both"))
            tries = 0
            while room > 3 and tries < 12:
                tries += 1
                extra = ids[rng.choice(pool)]
                if len(extra) > room:
                    s = rng.randrange(len(extra) - room + 1)
                    extra = extra[s:s + room]
                if side == "before" or (side == "both" and rng.random() < 0.5):
                    before = extra + before
                else:
                    after = after + extra
                room -= len(extra)
            body = before + body + after
        bodies.append(body)
        ys.append(y)
        ws.append(w)
    return bodies, np.stack(ys), np.stack(ws), owner


def batches(bodies, owner, tokens, seed, epoch):
    """Buckets of similar length, shuffled; a unit is never divided."""
    rng = random.Random(seed * 1000 + epoch + 500)
    units = collections.defaultdict(list)
    for j, u in enumerate(owner):
        units[u].append(j)
    length = {u: max(len(bodies[j]) for j in members) for u, members in units.items()}
    order = list(units)
    rng.shuffle(order)
    out = []
    for at in range(0, len(order), 3072):
        batch = []
        for u in sorted(order[at:at + 3072], key=lambda u: length[u]):
            if batch and (len(batch) + len(units[u])) * (length[u] + 2) > tokens:
                out.append(batch)
                batch = []
            batch += units[u]
        out.append(batch)
    rng.shuffle(out)
    return out


def ranking_loss(z, y, w, unit):
    """Within a unit, for every label: a text that has it should score above one that has not, by a margin."""
    same = (unit[:, None] == unit[None, :]).float()
    pair = same[..., None] * (y * (w >= 1))[:, None, :] * ((1 - y) * (w >= 1))[None, :, :]
    return (F.softplus(MARGIN - (z[:, None, :] - z[None, :, :])) * pair).sum() / len(z)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--work", required=True)
    ap.add_argument("--base", required=True, help="folder with model.safetensors and tokenizer.json")
    ap.add_argument("--start", default="", help="a model folder whose 8-bit weights, head included, are the start instead")
    ap.add_argument("--warm-up", type=int, default=150, help="steps")
    ap.add_argument("--freeze", type=int, default=0, help="layers, from below, that stay as they are, the embeddings with them")
    ap.add_argument("--epochs", type=int, default=4)
    ap.add_argument("--tokens", type=int, default=2560, help="padded tokens in a batch")
    ap.add_argument("--lr", type=float, default=1e-4)
    ap.add_argument("--head-lr", type=float, default=1e-3)
    ap.add_argument("--seed", type=int, default=20)
    ap.add_argument("--minutes", type=float, default=0, help="wind the schedule down within this time (0: by epochs only)")
    ap.add_argument("--probe", type=int, default=0, help="time this many steps and stop")
    a = ap.parse_args()
    torch.manual_seed(a.seed)
    dev = "cuda" if torch.cuda.is_available() else "cpu"
    tok = load_tokenizer(f"{a.base}/tokenizer.json")
    model = (load_exported(a.start) if a.start else load_base(a.base)).to(dev)
    model.word.weight.requires_grad_(False)     # too few rows to move 30,522 word vectors well
    if a.freeze:                                # saves a part of the backward pass when time is short
        for module in (model.pos, model.typ, model.ln, *model.layers[:a.freeze]):
            module.requires_grad_(False)
    head = [p for n, p in model.named_parameters() if n.startswith("classifier.")]
    mats = [p for n, p in model.named_parameters() if p.requires_grad and p.ndim > 1 and not n.startswith("classifier.")]
    vecs = [p for n, p in model.named_parameters() if p.requires_grad and p.ndim == 1 and not n.startswith("classifier.")]
    opt = torch.optim.AdamW([{"params": mats, "lr": a.lr, "weight_decay": 0.02}, {"params": vecs, "lr": a.lr, "weight_decay": 0.0},
                             {"params": head, "lr": a.head_lr, "weight_decay": 0.01}], betas=(0.9, 0.98))
    base_lr = [g["lr"] for g in opt.param_groups]
    rows = read_jsonl(f"{a.work}/train.jsonl")
    path = f"{a.work}/checkpoint.pt"
    state = {"epoch": 0, "batch": 0, "step": 0, "elapsed": 0.0, "rows": 0, "total": None, "pw": None}
    if os.path.exists(path) and not a.probe:
        ck = torch.load(path, map_location=dev, weights_only=True)
        model.load_state_dict(ck["model"])
        opt.load_state_dict(ck["opt"])
        state = ck["state"]
        print("resumed at", state["epoch"], state["batch"], flush=True)
    model.train()
    began, last_save, ema, log = time.time() - state["elapsed"], time.time(), None, open(f"{a.work}/train.log", "a")
    done = False
    while state["epoch"] < a.epochs and not done:
        t0 = time.time()
        bodies, ys, ws, owner = build_epoch(rows, tok, a.seed, state["epoch"])
        plan = batches(bodies, owner, a.tokens, a.seed, state["epoch"])
        if state["pw"] is None:
            pos, neg = (ws * ys).sum(0), (ws * (1 - ys)).sum(0)
            state["pw"] = [float(np.clip(0.4 * n / max(p, 1), 0.35, 8.0)) for p, n in zip(pos, neg)]
            state["total"] = len(plan) * a.epochs
            print("rows", len(bodies), "mean tokens", np.mean([len(b) for b in bodies]), "batches", len(plan),
                  {n: (int(p), int(q), round(x, 2)) for n, p, q, x in zip(LABELS, pos, neg, state["pw"])}, flush=True)
        pw = torch.tensor(state["pw"], device=dev)
        print("epoch built in", round(time.time() - t0, 1), flush=True)
        while state["batch"] < len(plan):
            progress = state["step"] / state["total"]
            if a.minutes:
                progress = max(progress, (time.time() - began) / (a.minutes * 60))
            if progress >= 1:
                done = True
                break
            factor = min(1.0, (state["step"] + 1) / a.warm_up) * max(0.02, 1 - progress)
            for g, lr in zip(opt.param_groups, base_lr):
                g["lr"] = lr * factor
            take = plan[state["batch"]]
            torch.manual_seed(a.seed * 100003 + state["step"])
            ids, mask = batch_tensors([bodies[j] for j in take], dev)
            y = torch.from_numpy(ys[take]).to(dev)
            w = torch.from_numpy(ws[take]).to(dev)
            with torch.autocast(dev, dtype=torch.bfloat16, enabled=dev == "cuda"):
                z = model(ids, mask)
            soft = y * 0.98 + 0.005             # a little smoothing: the labels are noisy
            loss = (F.binary_cross_entropy_with_logits(z, soft, reduction="none") * w * (1 + y * (pw - 1))).sum() / len(take)
            loss = loss + RANKING * ranking_loss(z, y, w, torch.tensor([owner[j] for j in take], device=dev))
            opt.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_([p for g in opt.param_groups for p in g["params"]], 1.0)
            opt.step()
            state["batch"] += 1
            state["step"] += 1
            state["rows"] += len(take)
            ema = loss.item() if ema is None else 0.98 * ema + 0.02 * loss.item()
            if state["step"] % 20 == 0:
                line = json.dumps({"step": state["step"], "of": state["total"], "epoch": state["epoch"], "rows": state["rows"],
                                   "loss": round(ema, 4), "seconds": round(time.time() - began), "lr": round(factor, 3)})
                print(line, flush=True)
                log.write(line + "\n")
                log.flush()
            if a.probe and state["step"] >= a.probe:
                print("probe", state["rows"], "rows", round(time.time() - began, 1), "s")
                return
            if time.time() - last_save > 120:
                save(path, model, opt, state, began)
                last_save = time.time()
        if not done:
            state["epoch"] += 1
            state["batch"] = 0
    save(path, model, opt, state, began)
    json.dump({**state, "seconds": round(state["elapsed"]), "device": dev, "seed": a.seed, "lr": a.lr, "head_lr": a.head_lr,
               "tokens_per_batch": a.tokens, "start": bool(a.start), "freeze": a.freeze, "epochs": state["rows"] / max(1, len(bodies)), "rows_per_epoch": len(bodies)},
              open(f"{a.work}/training.json", "w"), indent=1)
    print("done", state["step"], round(state["elapsed"]))


def save(path, model, opt, state, began):
    state["elapsed"] = time.time() - began
    torch.save({"model": model.state_dict(), "opt": opt.state_dict(), "state": state}, path + ".tmp")
    os.replace(path + ".tmp", path)


if __name__ == "__main__":
    main()
