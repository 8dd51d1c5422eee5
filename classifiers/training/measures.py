"""Figures that need no model: one score for a whole text, operating points, groups, contrast pairs."""
import collections
import math

import numpy as np

from common import LABELS, auc


def logit(p):
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return np.log(p / (1 - p))


def overall(scores, block):
    """One score for a text: how far its furthest label lies above that label's block threshold, in logits (0: just blocked)."""
    return (logit(scores) - logit(block)).max(1)


def recall_at(positive, negative, share):
    """Share of `positive` above the level that at most `share` of `negative` exceed."""
    if len(positive) == 0 or len(negative) == 0:
        return math.nan
    level = np.sort(negative)[::-1][min(len(negative) - 1, int(share * len(negative)))]
    return float((positive > level).mean())


def f1(y, hit):
    y, hit = np.asarray(y, dtype=bool), np.asarray(hit, dtype=bool)
    tp = int((y & hit).sum())
    return 2 * tp / max(1, int(y.sum()) + int(hit.sum()))


def best_f1(y, s):
    """The largest F1 over all thresholds: an upper bound that nobody has in use."""
    o = np.argsort(-np.asarray(s), kind="stable")
    t = np.asarray(y)[o]
    tp = np.cumsum(t)
    return float((2 * tp / (np.arange(1, len(t) + 1) + t.sum())).max())


def group_aucs(y, s, groups, least=10):
    """For each group with `least` rows of either sort: AUC inside it (subgroup), of others' toxic rows against its harmless
    ones (BPSN: low where harmless text about the group scores high), of its toxic rows against others' harmless ones (BNSP)."""
    out = {}
    for g, _ in collections.Counter(groups.tolist()).most_common():
        m = groups == g
        pos, neg = m & (y == 1), m & (y == 0)
        if not g or pos.sum() < least or neg.sum() < least:
            continue
        bpsn, bnsp = neg | (~m & (y == 1)), pos | (~m & (y == 0))
        out[g] = {"toxic": int(pos.sum()), "harmless": int(neg.sum()), "subgroup": round(auc(y[m], s[m]), 4),
                  "bpsn": round(auc(y[bpsn], s[bpsn]), 4), "bnsp": round(auc(y[bnsp], s[bnsp]), 4)}
    return out


def pairs(groups, harmful, score):
    """Share of harmful and harmless neighbours of one group that are ranked rightly; ties count half."""
    members = collections.defaultdict(lambda: ([], []))
    for g, h, s in zip(groups, harmful, score):
        members[g][int(h)].append(s)
    right, n = 0.0, 0
    for harmless, bad in members.values():
        for x in bad:
            for z in harmless:
                right += 1.0 if x > z else 0.5 if x == z else 0.0
                n += 1
    return {"comparisons": n, "right": round(right / max(1, n), 4)}


def families(scores, names, flag, block):
    """False positives of harmless rows by family."""
    out = {}
    for name in sorted(set(names)):
        m = np.array([n == name for n in names])
        hit = scores[m] >= block
        out[name] = {"rows": int(m.sum()), "any_block": round(float(hit.any(1).mean()), 4),
                     "any_flag": round(float((scores[m] >= flag).any(1).mean()), 4),
                     "block_by_label": {n: round(float(hit[:, i].mean()), 4) for i, n in enumerate(LABELS) if hit[:, i].any()}}
    return out
