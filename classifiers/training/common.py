"""Shared parts: labels, the encoder, windows, reading and writing."""
import collections
import gzip
import hashlib
import json
import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file
from tokenizers import Tokenizer

LABELS = ["toxicity", "hate", "harassment", "violence", "sexual", "sexual_minors", "self_harm",
          "illicit", "weapons", "jailbreak", "injection", "stereotype", "unsafe"]
INDEX = {name: i for i, name in enumerate(LABELS)}
WINDOW = 128            # tokens in a window, [CLS] and [SEP] included
BODY = WINDOW - 2
STRIDE = 64             # step between windows of a long text
CLS, SEP = 101, 102


class Layer(nn.Module):
    def __init__(self, hidden, heads, ffn, eps):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(hidden, hidden) for _ in range(4))
        self.ln1 = nn.LayerNorm(hidden, eps=eps)
        self.up, self.down = nn.Linear(hidden, ffn), nn.Linear(ffn, hidden)
        self.ln2 = nn.LayerNorm(hidden, eps=eps)

    def forward(self, x, bias, drop):
        b, n, h = x.shape
        q, k, v = (m(x).view(b, n, self.heads, -1).transpose(1, 2) for m in (self.q, self.k, self.v))
        if x.is_cuda:
            a = F.scaled_dot_product_attention(q, k, v, attn_mask=None if bias is None else bias.to(q.dtype))
        else:                                   # written out: on CPU faster forward and backward at these lengths
            a = (q * (q.shape[-1] ** -0.5)) @ k.transpose(-1, -2)
            a = (a if bias is None else a + bias).softmax(-1) @ v
        a = self.o(a.transpose(1, 2).reshape(b, n, h))
        x = self.ln1(x + (F.dropout(a, drop, self.training) if drop else a))
        f = self.down(F.gelu(self.up(x)))
        return self.ln2(x + (F.dropout(f, drop, self.training) if drop else f))


class Classifier(nn.Module):
    """BERT encoder, mean over every real token, one linear layer."""

    def __init__(self, hidden=384, layers=6, heads=12, ffn=1536, positions=512, vocab=30522, eps=1e-12, drop=0.0, head_drop=0.1):
        super().__init__()
        self.drop, self.head_drop = drop, head_drop
        self.word = nn.Embedding(vocab, hidden)
        self.pos = nn.Embedding(positions, hidden)
        self.typ = nn.Embedding(2, hidden)
        self.ln = nn.LayerNorm(hidden, eps=eps)
        self.layers = nn.ModuleList(Layer(hidden, heads, ffn, eps) for _ in range(layers))
        self.classifier = nn.Linear(hidden, len(LABELS))

    def forward(self, ids, mask):
        n = ids.shape[1]
        x = self.word(ids) + self.pos.weight[:n] + self.typ.weight[0]
        x = self.ln(x)
        bias = None
        if not bool(mask.all()):
            bias = torch.zeros(mask.shape, dtype=torch.float32, device=ids.device).masked_fill(~mask, -1e4)[:, None, None, :]
        for layer in self.layers:
            x = layer(x, bias, self.drop)
        m = mask.to(torch.float32)[..., None]
        x = (x.float() * m).sum(1) / m.sum(1)
        x = F.dropout(x, self.head_drop, self.training)
        with torch.autocast(x.device.type, enabled=False):
            return F.linear(x, self.classifier.weight.float(), self.classifier.bias.float())


def name_map(layers=6):
    """Our parameter name -> the name in the file."""
    m = {"word.weight": "embeddings.word_embeddings.weight", "pos.weight": "embeddings.position_embeddings.weight",
         "typ.weight": "embeddings.token_type_embeddings.weight"}
    for p in ("weight", "bias"):
        m[f"ln.{p}"] = f"embeddings.LayerNorm.{p}"
        m[f"classifier.{p}"] = f"classifier.{p}"
        for i in range(layers):
            e = f"encoder.layer.{i}."
            for a, b in (("q", "attention.self.query"), ("k", "attention.self.key"), ("v", "attention.self.value"),
                         ("o", "attention.output.dense"), ("ln1", "attention.output.LayerNorm"),
                         ("up", "intermediate.dense"), ("down", "output.dense"), ("ln2", "output.LayerNorm")):
                m[f"layers.{i}.{a}.{p}"] = f"{e}{b}.{p}"
    return m


def load_base(folder):
    model = Classifier()
    base = load_file(f"{folder}/model.safetensors")
    state = {ours: base[theirs].float() for ours, theirs in name_map().items() if not ours.startswith("classifier.")}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and set(missing) == {"classifier.weight", "classifier.bias"}, (missing, unexpected)
    nn.init.normal_(model.classifier.weight, std=0.02)
    nn.init.constant_(model.classifier.bias, -2.0)
    return model


def load_tokenizer(path):
    t = Tokenizer.from_file(path)
    t.no_truncation()
    t.no_padding()
    return t


def encode(tok, texts):
    """Token ids without [CLS] and [SEP]."""
    return [e.ids for e in tok.encode_batch(texts, add_special_tokens=False)]


def windows(ids, limit=16):
    """Bodies of the windows that cover a text: start and end always, at most `limit`."""
    if len(ids) <= BODY:
        return [ids]
    starts = list(range(0, len(ids) - BODY, STRIDE)) + [len(ids) - BODY]
    if len(starts) > limit:
        keep = np.unique(np.linspace(0, len(starts) - 1, limit).round().astype(int))
        starts = [starts[i] for i in keep]
    return [ids[s:s + BODY] for s in starts]


def batch_tensors(bodies, device="cpu"):
    n = max(len(b) for b in bodies) + 2
    ids = np.zeros((len(bodies), n), dtype=np.int64)
    mask = np.zeros((len(bodies), n), dtype=bool)
    for i, b in enumerate(bodies):
        ids[i, 0] = CLS
        ids[i, 1:len(b) + 1] = b
        ids[i, len(b) + 1] = SEP
        mask[i, :len(b) + 2] = True
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)


@torch.inference_mode()
def score_texts(model, tok, texts, tokens_per_batch=8192, device="cpu", bf16=False):
    """Logits per text: the maximum over its windows, label by label."""
    model.eval()
    owner, bodies = [], []
    for i, ids in enumerate(encode(tok, texts)):
        for w in windows(ids):
            owner.append(i)
            bodies.append(w)
    out = np.full((len(texts), len(LABELS)), -np.inf, dtype=np.float32)
    order = sorted(range(len(bodies)), key=lambda j: len(bodies[j]))
    at = 0
    while at < len(order):
        take = [order[at]]
        while at + len(take) < len(order) and (len(take) + 1) * (len(bodies[order[at + len(take)]]) + 2) <= tokens_per_batch:
            take.append(order[at + len(take)])
        ids, mask = batch_tensors([bodies[j] for j in take], device)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=bf16):
            z = model(ids, mask).float().cpu().numpy()
        for j, row in zip(take, z):
            out[owner[j]] = np.maximum(out[owner[j]], row)
        at += len(take)
    return out


def quantise(w):
    """8 bits per row: w is close to (q - 128) * scale[row]."""
    scale = w.abs().amax(1).clamp_min(1e-8) / 127.0
    q = torch.clamp(torch.round(w / scale[:, None]), -127, 127) + 128
    return q.to(torch.uint8), scale.float()


def dequantise(q, scale):
    return (q.to(torch.float32) - 128.0) * scale[:, None]


def load_exported(folder):
    """The model as shipped: 8-bit weights spread back to f32."""
    tensors = load_file(f"{folder}/model.safetensors")
    state = {}
    for ours, theirs in name_map().items():
        if theirs + ".q" in tensors:
            state[ours] = dequantise(tensors[theirs + ".q"], tensors[theirs + ".scale"])
        else:
            state[ours] = tensors[theirs]
    model = Classifier()
    model.load_state_dict(state)
    return model.eval()


def read_jsonl(path):
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def group_of(row):
    """The identity term: in "being X is <adjective>" rows the group field names the adjective."""
    words = row["text"].lower().strip(" .").split()
    if row.get("pair_id") == "being_adj" and words[:1] == ["being"] and "is" in words:
        return " ".join(words[1:words.index("is")])
    return row.get("group", "")


def identity_templates(data):
    """Rows of the identity templates, the group each names, and whether it is toxic (1), harmless (0) or unknown (-1)."""
    rows = [r for r in read_jsonl(f"{data}/bias_dev.jsonl.gz") if r["source"] == "identity_templates"]
    return rows, np.array([group_of(r) for r in rows]), np.array([r.get("label_toxicity", -1) for r in rows])


SHORT = {"rtp_decodingtrust_gen": 200, "pyrit_jailbreak_templates": 40, "tensor_trust_system_prompts": 150, "tensor_trust_attacks": 120,
         "banking77_train": 600, "gptfuzz_responses": 30, "davidson": 300, "civil_toxic_spans": 200, "edos": 300, "diasafety": 200,
         "coconot_pref_responses": 40, "inthewild_jailbreaks": 25, "bipia": 20, "t0_tasks": 30, "mlma_en": 250, "gsm8k_answers": 20}


def short(rows):
    """A fixed sample of the sources named in SHORT, the rest whole: for a busy machine. Chosen by hash of the text."""
    used, kept = collections.Counter(), []
    for r in sorted(rows, key=lambda r: hashlib.sha256(r["text"].encode()).hexdigest()):
        used[r["source"]] += 1
        if used[r["source"]] <= SHORT.get(r["source"], len(rows)):
            kept.append(r)
    return kept


def write_jsonl(path, rows):
    with open(path, "w", encoding="utf-8") as f:
        for r in rows:
            f.write(json.dumps(r, ensure_ascii=False) + "\n")


def sha256(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            h.update(block)
    return h.hexdigest()


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-np.clip(x, -60, 60)))


def auc(y, s):
    """Area under ROC by ranks, ties averaged."""
    y, s = np.asarray(y), np.asarray(s, dtype=np.float64)
    p, n = int(y.sum()), int((1 - y).sum())
    if p == 0 or n == 0:
        return math.nan
    _, inv, cnt = np.unique(s, return_inverse=True, return_counts=True)
    rank = np.cumsum(cnt) - (cnt - 1) / 2.0
    return float((rank[inv][y == 1].sum() - p * (p + 1) / 2.0) / (p * n))


def auprc(y, s):
    """Average precision."""
    y, s = np.asarray(y), np.asarray(s)
    if y.sum() == 0:
        return math.nan
    o = np.argsort(-s, kind="stable")
    y = y[o]
    prec = np.cumsum(y) / np.arange(1, len(y) + 1)
    return float((prec * y).sum() / y.sum())
