"""Measures the shipped folder: unseen sources, dev, group bias, authored smoke set. Writes evaluation.json and MODEL_CARD.md."""
import argparse
import collections
import json
import os
import re

import numpy as np

from card import write_card
from common import INDEX, LABELS, auc, auprc, identity_templates, load_exported, load_tokenizer, read_jsonl, score_texts, short, sigmoid
from export import dev_sample
from measures import best_f1, f1, families, group_aucs, overall, pairs, recall_at

BENIGN_HELD = ["banking77_train", "selfinstruct_seed", "selfinstruct_seed_out", "coconot_pref_prompts", "tensor_trust_system_prompts"]
NEGATIVE_POOL = BENIGN_HELD[:4]


def per_label(scores, y, known, extra_negative, flag, block):
    """Figures per head on rows where the label is known, plus benign rows as negatives."""
    out = {}
    for i, n in enumerate(LABELS):
        pos = known[:, i] & (y[:, i] == 1)
        neg = (known[:, i] & (y[:, i] == 0)) | (extra_negative & ~pos)
        if pos.sum() == 0:
            continue
        m = pos | neg
        out[n] = {"positives": int(pos.sum()), "negatives": int(neg.sum()),
                  "auc": round(auc(pos[m].astype(int), scores[m, i]), 4), "auprc": round(auprc(pos[m].astype(int), scores[m, i]), 4),
                  "f1_block": round(f1(pos[m], scores[m, i] >= block[i]), 4), "f1_flag": round(f1(pos[m], scores[m, i] >= flag[i]), 4),
                  "best_f1": round(best_f1(pos[m].astype(int), scores[m, i]), 4), "recall_fp1": round(recall_at(scores[pos, i], scores[neg, i], 0.01), 4),
                  "recall_flag": round(float((scores[pos, i] >= flag[i]).mean()), 4), "recall_block": round(float((scores[pos, i] >= block[i]).mean()), 4),
                  "fp_flag": round(float((scores[neg, i] >= flag[i]).mean()), 4), "fp_block": round(float((scores[neg, i] >= block[i]).mean()), 4)}
    return out


def trigrams(text):
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i:i + 3]) for i in range(max(1, len(words) - 2))}


def near(text, trained):
    """Whether one authored training sentence holds 40 % of the text's three-word sequences."""
    mine = trigrams(text)
    return any(len(mine & other) >= 0.4 * len(mine) for other in trained)


def any_over(scores, level):
    return (scores >= level).any(1)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", required=True)
    ap.add_argument("--work", required=True)
    ap.add_argument("--model", required=True)
    ap.add_argument("--seed", type=int, default=20)
    ap.add_argument("--short", action="store_true", help="as in export.py")
    ap.add_argument("--before", default="", help="evaluation.json of the version before, measured on the same rows")
    ap.add_argument("--keep-scores", action="store_true")
    a = ap.parse_args()
    man = json.load(open(f"{a.model}/manifest.json"))
    ca = np.array([e["calibration"]["a"] for e in man["labels"]])
    cb = np.array([e["calibration"]["b"] for e in man["labels"]])
    flag = np.array([e["flag_ppm"] for e in man["labels"]]) / 1e6
    block = np.array([e["block_ppm"] for e in man["labels"]]) / 1e6
    model, tok = load_exported(a.model), load_tokenizer(f"{a.model}/tokenizer.json")

    def score(texts, name):
        cache = f"{a.work}/{name}_logits.npy"
        if a.keep_scores and os.path.exists(cache):
            z = np.load(cache)
        else:
            z = score_texts(model, tok, texts)
            np.save(cache, z)
        return sigmoid(z * ca + cb)

    report = {"flag": flag.tolist(), "block": block.tolist()}
    # authored smoke set
    smoke = json.load(open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "smoke.json")))
    trained = [trigrams(r["text"]) for r in read_jsonl(f"{a.work}/train.jsonl") if r["source"] == "authored" or r["source"].startswith("pairs_")]
    report["smoke"] = {}
    for part, items in smoke.items():
        texts = [t if isinstance(t, str) else t[1] for t in items]
        s = sigmoid(score_texts(model, tok, texts) * ca + cb)
        detail = []
        for t, row in zip(texts, s):
            margin = row / block
            top = int(np.argmax(margin))
            detail.append({"text": t, "blocked": [LABELS[i] for i in np.where(row >= block)[0]], "flagged": [LABELS[i] for i in np.where(row >= flag)[0]],
                           "top": LABELS[top], "top_ppm": int(row[top] * 1e6), "near_training": near(t, trained)})
        report["smoke"][part] = {"items": len(texts), "blocked": sum(bool(d["blocked"]) for d in detail), "flagged": sum(bool(d["flagged"]) for d in detail),
                                 "near_training": sum(d["near_training"] for d in detail),
                                 "blocked_not_near": sum(bool(d["blocked"]) and not d["near_training"] for d in detail), "detail": detail}
    # dev, in distribution
    rows = dev_sample(a.work, a.seed, a.short)
    s = score([r["text"] for r in rows], "dev")
    y = np.array([[r["labels"].get(n, 0) for n in LABELS] for r in rows])
    known = np.array([[n in r["labels"] for n in LABELS] for r in rows])
    sets = np.array([r["set"] for r in rows])
    no = np.zeros(len(rows), dtype=bool)
    plain = sets == "plain"
    report["dev"] = per_label(s[plain], y[plain], known[plain], no[plain], flag, block)
    au = sets == "authored"
    harmful = np.array([any(r["labels"].values()) for r in rows])
    whole = overall(s, block)
    report["authored_dev"] = {
        "labels": per_label(s[au], y[au], known[au], no[au], flag, block), "auc": round(auc(harmful[au].astype(int), whole[au]), 4),
        "pairs": pairs([r["group_id"] for r in rows if r["set"] == "authored"], harmful[au], whole[au]),
        "harmful_any": families(s[au & harmful], [r["source"] for r, k in zip(rows, au & harmful) if k], flag, block)}
    calm = (sets != "diluted") & np.array([r["benign"] for r in rows])
    report["benign_families"] = families(s[calm], [r["source"] for r, k in zip(rows, calm) if k], flag, block)
    dil = sets == "diluted"
    report["dev_diluted"] = {n: {"positives": int((y[dil, i] * known[dil, i]).sum()),
                                 "recall_block": round(float((s[dil, i][(y[dil, i] == 1)] >= block[i]).mean()), 4),
                                 "recall_flag": round(float((s[dil, i][(y[dil, i] == 1)] >= flag[i]).mean()), 4)}
                             for i, n in enumerate(LABELS) if (y[dil, i] == 1).any()}
    bw = sets == "benign_windows"
    bd = plain & np.array([r["benign"] for r in rows])
    report["dev_benign"] = {"rows": int(bd.sum()), "any_block": round(float(any_over(s[bd], block).mean()), 4), "any_flag": round(float(any_over(s[bd], flag).mean()), 4),
                            "windows": int(bw.sum()), "windows_any_block": round(float(any_over(s[bw], block).mean()), 4),
                            "windows_any_flag": round(float(any_over(s[bw], flag).mean()), 4)}
    la = sets == "lookalikes"
    report["dev_lookalikes"] = {"rows": int(la.sum()), "any_block": round(float(any_over(s[la], block).mean()), 4), "any_flag": round(float(any_over(s[la], flag).mean()), 4)}
    rel = {}
    for i, n in enumerate(LABELS):
        m = plain & known[:, i]
        p, t = s[m, i], y[m, i]
        bins = np.minimum((p * 5).astype(int), 4)
        table = [{"from": b / 5, "rows": int((bins == b).sum()), "mean_score": round(float(p[bins == b].mean()), 3), "share_positive": round(float(t[bins == b].mean()), 3)}
                 for b in range(5) if (bins == b).sum() >= 5]
        ece = sum(r["rows"] * abs(r["mean_score"] - r["share_positive"]) for r in table) / max(1, m.sum())
        rel[n] = {"ece": round(float(ece), 4), "bins": table}
    report["calibration"] = rel
    z = np.load(f"{a.work}/agreement.npz")
    f, q = sigmoid(z["f32"] * ca + cb), sigmoid(z["q8"] * ca + cb)
    report["agreement"] = {"texts": len(f), "mean_abs": float(np.abs(f - q).mean()), "max_abs": float(np.abs(f - q).max()),
                           "p999_abs": float(np.quantile(np.abs(f - q), 0.999)),
                           "same_block_decision": float(((f >= block) == (q >= block)).mean()), "same_any_block": float((any_over(f, block) == any_over(q, block)).mean())}
    # unseen sources
    rows = read_jsonl(f"{a.work}/held_out.jsonl")
    if a.short:
        rows = short(rows)
    s = score([r["text"] for r in rows], "held_out")
    y = np.array([[r["labels"].get(n, 0) for n in LABELS] for r in rows])
    known = np.array([[n in r["labels"] for n in LABELS] for r in rows])
    src = np.array([r["source"] for r in rows])
    pool = np.isin(src, NEGATIVE_POOL)
    public = src != "tensor_trust_attacks"
    report["unseen"] = per_label(s[public & (src != "tensor_trust_system_prompts")], y[public & (src != "tensor_trust_system_prompts")],
                                 known[public & (src != "tensor_trust_system_prompts")], pool[public & (src != "tensor_trust_system_prompts")], flag, block)
    whole, calm = overall(s, block), pool & ~np.array([any(r["labels"].values()) for r in rows])
    report["unseen_by_source"] = {}
    for name in sorted(set(src)):
        m = src == name
        report["unseen_by_source"][name] = {
            "rows": int(m.sum()), "any_block": round(float(any_over(s[m], block).mean()), 4), "any_flag": round(float(any_over(s[m], flag).mean()), 4),
            "labels": per_label(s[m | pool], y[m | pool], known[m | pool] & m[m | pool][:, None], pool[m | pool], flag, block)}
    report["unseen_benign"] = {}
    for name in BENIGN_HELD + ["bastioncorpus (injection = 0)", "toxigen_demos (hate = 0)"]:
        key = name.split(" ")[0]
        m = src == key
        if key == "bastioncorpus":
            m &= np.array([r["labels"].get("injection") == 0 for r in rows])
        if key == "toxigen_demos":
            m &= np.array([r["labels"].get("hate") == 0 for r in rows])
        report["unseen_benign"][name] = {"rows": int(m.sum()), "any_block": round(float(any_over(s[m], block).mean()), 4), "any_flag": round(float(any_over(s[m], flag).mean()), 4),
                                         "block_by_label": {n: round(float((s[m, i] >= block[i]).mean()), 4) for i, n in enumerate(LABELS) if (s[m, i] >= block[i]).any()}}
    harm = np.array([any(r["labels"].values()) for r in rows])
    for name in ("multijail_en", "catqa", "pyrit_jailbreak_templates", "bastioncorpus", "tensor_trust_attacks", "toxigen_demos", "rtp_decodingtrust_gen"):
        m = (src == name) & harm
        report.setdefault("unseen_harm_any", {})[name] = {"rows": int(m.sum()), "any_block": round(float(any_over(s[m], block).mean()), 4), "any_flag": round(float(any_over(s[m], flag).mean()), 4),
                                                             "auc": round(auc(m[m | calm].astype(int), whole[m | calm]), 4), "recall_fp1": round(recall_at(whole[m], whole[calm], 0.01), 4)}
    # group bias
    bias, grp, t = identity_templates(a.data)
    s = score([r["text"] for r in bias], "bias")
    pair = np.array([r.get("pair_id", "") for r in bias])
    ti, hi = INDEX["toxicity"], INDEX["hate"]
    def rates(m):
        return {"rows": int(m.sum()), "toxicity_flag": round(float((s[m, ti] >= flag[ti]).mean()), 4), "toxicity_block": round(float((s[m, ti] >= block[ti]).mean()), 4),
                "hate_flag": round(float((s[m, hi] >= flag[hi]).mean()), 4), "hate_block": round(float((s[m, hi] >= block[hi]).mean()), 4),
                "any_block": round(float(any_over(s[m], block).mean()), 4)}
    report["bias"] = {"all_nontoxic": rates(t == 0), "all_toxic": rates(t == 1),
                      "templates": dict(collections.Counter(pair.tolist()).most_common(12)),
                      "groups": {g: rates((t == 0) & (grp == g)) for g, c in collections.Counter(grp[t == 0]).most_common() if c >= 10},
                      "groups_toxic": {g: rates((t == 1) & (grp == g)) for g, c in collections.Counter(grp[t == 1]).most_common() if c >= 10}}
    labelled = t >= 0
    report["bias"]["aucs"] = {n: group_aucs(t[labelled], s[labelled, INDEX[n]], grp[labelled]) for n in ("toxicity", "hate")}
    if a.before:
        before = json.load(open(a.before))
        report["before"] = {k: before[k] for k in ("unseen", "unseen_harm_any", "unseen_benign", "bias", "authored_dev")}
    json.dump(report, open(f"{a.work}/evaluation.json", "w"), indent=1)
    write_card(f"{a.model}/MODEL_CARD.md", man, report, json.load(open(f"{a.work}/prepare.json")))
    for part, r in report["smoke"].items():
        print(part, {k: v for k, v in r.items() if k != "detail"})
        for d in r["detail"]:
            if (part.startswith("benign") and d["flagged"]) or (part == "harmful" and not d["blocked"]):
                print("   ", d)
    for k in ("dev", "dev_diluted", "unseen"):
        print("==", k)
        for n, r in report[k].items():
            print("  ", n, r)
    for n, r in report["authored_dev"]["labels"].items():
        print("  authored", n, r)
    print({k: v for k, v in report["authored_dev"].items() if k != "labels"})
    for k in ("benign_families", "dev_benign", "dev_lookalikes", "unseen_benign", "unseen_harm_any", "agreement"):
        print("==", k, json.dumps(report[k], indent=1))
    print("== bias", report["bias"]["all_nontoxic"], report["bias"]["all_toxic"])
    print(sorted(((r["any_block"], r["toxicity_flag"], r["hate_flag"], g, r["rows"]) for g, r in report["bias"]["groups"].items()), reverse=True)[:15])


if __name__ == "__main__":
    main()
