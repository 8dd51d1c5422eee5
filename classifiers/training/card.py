"""Writes the model card from measured figures only."""
from common import LABELS


def pct(x):
    return f"{100 * x:.1f} %"


def table(head, rows):
    out = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(out + ["| " + " | ".join(str(c) for c in r) + " |" for r in rows]) + "\n"


def figures(block):
    return [(n, r["positives"], r["negatives"], f"{r['auc']:.3f}", f"{r['auprc']:.3f}", pct(r["recall_fp1"]), pct(r["recall_block"]),
             pct(r["fp_block"]), f"{r['f1_block']:.2f}", pct(r["recall_flag"]), pct(r["fp_flag"]), f"{r['f1_flag']:.2f}", f"{r['best_f1']:.2f}") for n, r in block.items()]


HEAD = ["label", "positives", "negatives", "AUC", "AUPRC", "recall at 1 % false positives", "recall at block", "false positives at block",
        "F1 at block", "recall at flag", "false positives at flag", "F1 at flag", "best F1"]


def beside(w, old, new, version):
    """The version before this one, measured on the same rows with its own calibration and thresholds."""
    w("## The version before, beside this one\n")
    w("Same rows, same program; each version with its own calibration and thresholds. The figures by label do not depend on thresholds. The shares at block do: this version blocks later. In the second table AUC and recall rest on the distance from the thresholds, against pooled benign rows of unseen sources.\n")
    rows = []
    for n, r in new["unseen"].items():
        o = old["unseen"][n]
        rows.append((n, f"{o['auc']:.3f}", f"{r['auc']:.3f}", f"{o['auprc']:.3f}", f"{r['auprc']:.3f}", pct(o["recall_fp1"]), pct(r["recall_fp1"]), f"{o['best_f1']:.2f}", f"{r['best_f1']:.2f}"))
    w(table(["unseen sources, label", "AUC before", f"AUC {version}", "AUPRC before", f"AUPRC {version}", "recall at 1 % before", f"recall at 1 % {version}", "best F1 before", f"best F1 {version}"], rows))
    rows = [(n, "harmful", r["rows"], pct(old["unseen_harm_any"][n]["any_block"]), pct(r["any_block"]), f"{old['unseen_harm_any'][n]['auc']:.3f}", f"{r['auc']:.3f}",
             pct(old["unseen_harm_any"][n]["recall_fp1"]), pct(r["recall_fp1"])) for n, r in new["unseen_harm_any"].items()]
    rows += [(n, "harmless", r["rows"], pct(old["unseen_benign"][n]["any_block"]), pct(r["any_block"]), "", "", "", "") for n, r in new["unseen_benign"].items()]
    for key, name in (("all_toxic", "harmful"), ("all_nontoxic", "harmless")):
        rows.append(("identity templates", name, new["bias"][key]["rows"], pct(old["bias"][key]["any_block"]), pct(new["bias"][key]["any_block"]), "", "", "", ""))
    a, b = old["authored_dev"], new["authored_dev"]
    w(table(["source", "rows are", "rows", "any block before", f"any block {version}", "AUC before", f"AUC {version}", "recall at 1 % before", f"recall at 1 % {version}"], rows))
    w(f"Held-out authored pairs: AUC of harmful against harmless {a['auc']:.3f} before, {b['auc']:.3f} now; right order within a group {pct(a['pairs']['right'])} before, {pct(b['pairs']['right'])} now.\n")


def write_card(path, man, rep, prep):
    t, o = man["training"], []
    w = o.append
    w(f"# {man['id']}, version {man['version']}\n")
    w("A small multi-label text classifier for requests and answers that pass a language-model gateway. It scores a text on 13 labels; "
      "the gateway compares each score with a flag and a block threshold. It is one signal among several, meant to run beside rules and human review.\n")
    w("Every figure on this page was measured with the shipped 8-bit weights (spread back to f32) by `classifiers/training/evaluate.py`.\n")
    w("## Model\n")
    w(f"* Encoder: BERT, 6 layers, 384 wide, 12 heads, {man['base']['name']} ({man['base']['licence']}) by origin; mean over all tokens, one linear layer. English.\n"
      "* Input: windows of 128 tokens ([CLS] + 126 + [SEP]); a long text is cut into overlapping windows (step 64) and the highest score of each label counts.\n"
      f"* Weights: 8 bits per row for matrices, {man['files']['model.safetensors']['bytes'] / 1e6:.1f} MB.\n"
      f"* Training: started from {t['started_from']}; seed {t['seed']}, {t['rows']:,} rows prepared, {t['rows_seen']:,} row presentations ({t['epochs']} passes over the sampled set), "
      f"{t['steps']:,} steps, {round((t['seconds'] or 0) / 60)} minutes on {('a GPU' if t['device'] == 'cuda' else 'two shared CPU cores')}; word vectors and the lowest {t['frozen_layers']} layers stayed as they were.\n")
    if t.get("note"):
        w(f"* {t['note']}\n")
    if t.get("measured_on_samples"):
        w("* Measured on a busy machine: large and long sources by fixed samples (`SHORT` in `common.py`), the rest whole. Thresholds rest on these samples too.\n")
    a = rep["agreement"]
    w(f"* 8-bit against f32 weights, {a['texts']} dev texts x {len(LABELS)} scores: mean difference of the score {a['mean_abs']:.4f}, 99.9th percentile {a['p999_abs']:.4f}, largest {a['max_abs']:.4f}; "
      f"the same block decision per label in {100 * a['same_block_decision']:.2f} % of scores, for the whole text in {100 * a['same_any_block']:.1f} %.\n")
    w("## Labels and thresholds\n")
    w("Scores are calibrated (`sigmoid(a * logit + b)`), stated in parts per million. Thresholds come from dev data, per label: block is set so that at most 0.2 % of pooled benign dev texts "
      "(ordinary rows, long windows of them, and the harmless side of the held-out authored pairs) and at most 4 % of the labelled, noisy negatives of comment sources reach it; flag 1 % and 10 %. "
      "Authored look-alikes (`classifiers/training/data/lookalikes.txt`) raise a threshold until at most 1.5 % (block) and 5 % (flag) of them reach it. For toxicity, hate, harassment, violence, sexual and stereotype it is raised further "
      "until in no group of the identity templates more than 4 % (block) and 10 % (flag) of the harmless sentences reach it. Neither falls below 0.5 (block) and 0.2 (flag). "
      "Two heads rest on too little or too noisy data to block on their own and have a higher floor for block: sexual_minors 0.9, unsafe 0.97. The floor of unsafe was raised in version 1 after it was seen to block harmless contrast prompts of an unseen source.\n")
    w(table(["label", "flag", "block", "remark"], [(e["name"], f"{e['flag_ppm']:,}", f"{e['block_ppm']:,}", e.get("note", "")) for e in man["labels"]]))
    w("## Training sources\n")
    w(table(["source", "rows", "licence"], [(s["name"], f"{s['rows']:,}", s["licence"]) for s in t["sources"]]))
    w("Large comment sources are sampled (4 to 6 % a pass), the authored pairs 1.5 times a pass. `pairs_*` are the contrast pairs in `classifiers/training/data/pairs` (every label annotated, one group in ten held out). `authored` are original sentences expanded from the templates in `classifiers/training/data/authored.tsv`; "
      "none is a positive example for sexual_minors. Every ordinary prompt counts as 0 for every label; comments count as weak 0 (weight 0.2) for self_harm, illicit, weapons and sexual_minors. "
      "Plain harmful questions count as 0 for jailbreak and injection.\n")
    w("Left out: sources without a stated licence (Tensor Trust: scored below as unseen sources, never trained on); optimised-suffix attacks (JailTrickBench: its requests are disturbed copies of "
      "requests in a public evaluation set); BIPIA rows whose instruction does not stand at the end. Safe prompts from the Certified-Safety mirror are used: the mirror states no licence, the upstream project is MIT.\n")
    w("The authored templates contain short common phrases (for instance a group followed by a slur-like adjective, or a harmless sense of an alarming verb). They were written from scratch and not checked against public evaluation sets; chance agreement with lines of such sets cannot be excluded.\n")
    w("## Unseen sources\n")
    w("The following sources were kept out of training, calibration and threshold choice as a whole: " + ", ".join(t["held_out_sources"]) + ". "
      "Two uses of them must be known: figures on a sample of them were seen part-way through training and, with the smoke set, led to more authored look-alikes (no row was read or copied for that), and the floor of unsafe was raised as said above. "
      "Rows that share 40 % of their 8-word sequences with training rows were removed. Negatives: labelled zeros of these sources and their benign prompts (banking77, Self-Instruct seeds, CoCoNot contrast prompts).\n")
    w(table(HEAD, figures(rep["unseen"])))
    w("Few positives make a figure uncertain: with fewer than 50, read it as an indication. `rtp_decodingtrust_gen` (toxicity, sexual, violence) are rewrites in the style of a training source, so those three rows flatter the model.\n")
    w("Harmful rows of unseen sources that reach any threshold:\n")
    w(table(["source", "rows", "any label at block", "any label at flag"], [(n, r["rows"], pct(r["any_block"]), pct(r["any_flag"])) for n, r in rep["unseen_harm_any"].items()]))
    w("Benign rows of unseen sources that reach any threshold (false positives):\n")
    w(table(["source", "rows", "any label at block", "any label at flag", "labels that block"],
            [(n, r["rows"], pct(r["any_block"]), pct(r["any_flag"]), ", ".join(f"{k} {pct(v)}" for k, v in sorted(r["block_by_label"].items(), key=lambda x: -x[1])[:5])) for n, r in rep["unseen_benign"].items()]))
    inj = rep["unseen_by_source"]
    rows = []
    for name in ("bastioncorpus", "tensor_trust_attacks", "pyrit_jailbreak_templates", "toxigen_demos", "multijail_en", "catqa"):
        for n, r in inj.get(name, {}).get("labels", {}).items():
            rows.append((name, n, r["positives"], f"{r['auc']:.3f}", pct(r["recall_block"]), pct(r["fp_block"])))
    w("By source:\n")
    w(table(["source", "label", "positives", "AUC", "recall at block", "false positives at block"], rows))
    w("`AUC` and `recall at 1 % false positives` of a whole text, by how far its furthest label lies above that label's block threshold, against the benign rows of unseen sources (banking77, Self-Instruct seeds, CoCoNot contrast prompts, pooled):\n")
    w(table(["source", "rows", "AUC", "recall at 1 % false positives"], [(n, r["rows"], f"{r['auc']:.3f}", pct(r["recall_fp1"])) for n, r in rep["unseen_harm_any"].items()]))
    if rep.get("before"):
        beside(w, rep["before"], rep, man["version"])
    w("## Held-out authored pairs\n")
    ad = rep["authored_dev"]
    w(f"Groups of contrast pairs that were not trained on. They share authorship and themes with the training pairs, and thresholds were set with their harmless side, so they flatter the model. A harmful text is ranked above a harmless one of the same group in {pct(ad['pairs']['right'])} of {ad['pairs']['comparisons']:,} comparisons; AUC of harmful against harmless, all texts: {ad['auc']:.3f}.\n")
    w(table(HEAD, figures(ad["labels"])))
    w(table(["harmful texts of", "rows", "any label at block", "any label at flag"], [(n, r["rows"], pct(r["any_block"]), pct(r["any_flag"])) for n, r in ad["harmful_any"].items()]))
    w("## False positives by benign family\n")
    w("Harmless dev rows (sources also trained on; `pairs_*`, `lookalikes` and the windows set the thresholds).\n")
    w(table(["family", "rows", "any label at block", "any label at flag", "labels that block"],
            [(n, r["rows"], pct(r["any_block"]), pct(r["any_flag"]), ", ".join(f"{k} {pct(v)}" for k, v in sorted(r["block_by_label"].items(), key=lambda x: -x[1])[:5])) for n, r in rep["benign_families"].items()]))
    w("## Dev, same sources as training\n")
    w("A random split of the training sources. Thresholds and calibration were chosen on it, so it flatters the model; large comment sources are capped.\n")
    w(table(HEAD, figures(rep["dev"])))
    d = rep["dev_benign"]
    w(f"Benign dev texts ({d['rows']}): {pct(d['any_block'])} reach block for some label, {pct(d['any_flag'])} flag. Long windows of several benign texts ({d['windows']}): {pct(d['windows_any_block'])} and {pct(d['windows_any_flag'])}.\n")
    la = rep["dev_lookalikes"]
    w(f"Authored look-alikes ({la['rows']}, used to set thresholds): {pct(la['any_block'])} reach block for some label, {pct(la['any_flag'])} flag.\n")
    w("Dilution: dev positives placed between unrelated ordinary sentences.\n")
    w(table(["label", "positives", "recall at block", "recall at flag"], [(n, r["positives"], pct(r["recall_block"]), pct(r["recall_flag"])) for n, r in rep["dev_diluted"].items()]))
    w("## Calibration\n")
    w("Dev rows where the label is known: mean score and share of positives per fifth of the score range (bins with at least 5 rows), and the expected calibration error. Calibration holds for the dev mix, not for other traffic.\n")
    w(table(["label", "error", "bins: mean score -> share positive (rows)"],
            [(n, f"{r['ece']:.3f}", "; ".join(f"{b['mean_score']:.2f} -> {b['share_positive']:.2f} ({b['rows']})" for b in r["bins"])) for n, r in rep["calibration"].items()]))
    w("## Groups\n")
    b = rep["bias"]
    w(f"Identity templates ({b['all_nontoxic']['rows']} non-toxic and {b['all_toxic']['rows']} toxic short sentences that name a group). Share of NON-toxic sentences over the threshold (false positives):\n")
    def line(n, r):
        return (n, r["rows"], pct(r["toxicity_flag"]), pct(r["toxicity_block"]), pct(r["hate_flag"]), pct(r["hate_block"]), pct(r["any_block"]))
    groups = sorted(b["groups"].items(), key=lambda x: (-x[1]["any_block"], -x[1]["hate_flag"], x[0]))
    w(table(["group", "rows", "toxicity flag", "toxicity block", "hate flag", "hate block", "any label block"], [line("all", b["all_nontoxic"])] + [line(n, r) for n, r in groups]))
    w("Share of TOXIC sentences over the threshold: " + f"toxicity flag {pct(b['all_toxic']['toxicity_flag'])}, block {pct(b['all_toxic']['toxicity_block'])}; hate flag {pct(b['all_toxic']['hate_flag'])}, block {pct(b['all_toxic']['hate_block'])}; any label block {pct(b['all_toxic']['any_block'])}. "
      "Groups have few rows; differences of a few points are chance. They also set thresholds. The training templates hold neutral and hostile sentences about many of these groups in similar short forms, so these figures are better than what freer text will show: "
      f"on unseen neutral sentences about groups (ToxiGen) {pct(rep['unseen_benign']['toxigen_demos (hate = 0)']['any_block'])} reach some block threshold.\n")
    w("AUC by group, score of the toxicity and of the hate head. Subgroup: inside the group. BPSN: its harmless sentences against other groups' toxic ones (low: harmless text about the group scores high). BNSP: its toxic sentences against other groups' harmless ones (low: attacks on the group are missed).\n")
    at, ah = b["aucs"]["toxicity"], b["aucs"]["hate"]
    w(table(["group", "toxic", "harmless", "toxicity subgroup", "BPSN", "BNSP", "hate subgroup", "BPSN", "BNSP"],
            [(g, r["toxic"], r["harmless"], *(f"{x[k]:.3f}" for x in (r, ah[g]) for k in ("subgroup", "bpsn", "bnsp"))) for g, r in sorted(at.items(), key=lambda x: x[1]["bpsn"])]))
    w("## Authored smoke set\n")
    sm = rep["smoke"]
    w("Short texts written for this project (`classifiers/training/data/smoke.json`). They were looked at several times during development, never used for thresholds. After a look part-way through training, benign look-alikes were added to the training templates, "
      "and also harmful templates close to lines that had been missed (the bank e-mail, the assistant without ethical guidelines, the note in the invoice mail, the poisoned flatmate). So this set shows that plain cases work; it does NOT measure generalisation. "
      "\"Near a training sentence\": one authored training sentence holds at least 40 % of the text's three-word sequences.\n")
    w(table(["part", "texts", "any label at block", "any label at flag", "near a training sentence", "not near: any label at block"],
            [(n, r["items"], r["blocked"], r["flagged"], r["near_training"], f"{r['blocked_not_near']} of {r['items'] - r['near_training']}") for n, r in sm.items()]))
    missed = [x["text"] for x in sm["harmful"]["detail"] if not x["blocked"]]
    hit = [f"{x['text']} ({', '.join(x['blocked'])})" for k in ("benign_prompts", "benign_answers") for x in sm[k]["detail"] if x["blocked"]]
    w("Harmful texts below every block threshold: " + ("; ".join(missed) if missed else "none") + ".\n")
    w("Benign texts blocked: " + ("; ".join(hit) if hit else "none") + ".\n")
    w("## Limits\n")
    w("* English. Other languages are barely covered; do not rely on scores for them.\n"
      "* sexual_minors, self_harm, weapons, illicit, jailbreak and injection rest on few public examples and on authored templates; recall on wording unlike these is low (see the tables), plain requests included. The sexual_minors head has seen fewer than a hundred requests and no authored text: its block threshold is deliberately high, the ten unseen positives are too few to trust, and it should not stand alone.\n"
      "* An ordinary request hidden inside a document is often not recognised as an injection. Encoded text must be decoded before it is scored; optimised suffixes are known only as script-made noise.\n"
      "* Toxicity and hate labels come from tweets and comments of 2010 to 2022 with known dialect bias; African-American English may be over-flagged.\n"
      "* The unsafe head is broad and noisy; its block threshold is high, use it to flag.\n"
      f"* Over-blocking: of unseen harmless requests about sensitive subjects (CoCoNot contrast prompts) {pct(rep['unseen_benign']['coconot_pref_prompts']['any_block'])} reach some block threshold.\n"
      f"* Score what users and models write, not the operator's own system prompt: system prompts that guard a secret look like attacks to this model ({pct(rep['unseen_benign']['tensor_trust_system_prompts']['any_block'])} of the Tensor Trust ones reach block).\n"
      "* Hate without slurs is often missed at the block threshold; use the flag.\n"
      "* Dilution still costs recall for some labels (violence, injection; see the table): a harmful sentence among ordinary ones is easier to miss.\n"
      f"* Attacks on groups in short, plain form: {pct(rep['bias']['all_toxic']['any_block'])} of the toxic identity templates reach a block threshold. Rude comments, insults and calls for hostility below the threshold should be taken up by the flag.\n"
      "* Windows are scored on their own; meaning spread over several windows or turns is lost.\n"
      "* Personal data is not a label of this model.\n")
    w("## Not to be used for\n")
    w("Sole ground for a decision about a person (employment, credit, account closure, reporting to authorities); judging people by their messages; detecting crisis or child abuse without human review; "
      "languages it was not trained on; proof that a text is safe.\n")
    open(path, "w", encoding="utf-8").write("\n".join(o))
