"""The authored contrast pairs: reading, the split by group, and what is done to a group when it is drawn."""
import glob
import hashlib
import os
import re
import sys

from common import LABELS

NOT_AUTHORED = {"sexual_minors"}
KINDS = {"prompt", "response", "comment"}

# Terms that stand for one another in a sentence about a group; the label stays. Singular or adjective, then plural.
TERMS = [
    ["Muslim", "Christian", "Hindu", "Sikh", "Buddhist", "Catholic", "Mormon"],
    ["Muslims", "Jews", "Christians", "Hindus", "Sikhs", "Buddhists", "Catholics", "Mormons", "atheists"],
    ["Mexican", "Chinese", "Indian", "Pakistani", "Nigerian", "Somali", "Polish", "Romanian", "Turkish", "Arab", "Syrian",
     "Korean", "Vietnamese", "Jewish", "black", "Asian", "Latino", "African", "Filipino", "Albanian", "Ukrainian", "Brazilian"],
    ["Mexicans", "Indians", "Pakistanis", "Nigerians", "Somalis", "Romanians", "Turks", "Arabs", "Syrians", "Koreans", "Poles",
     "Ukrainians", "Albanians", "Africans", "Asians", "Latinos", "Filipinos", "Brazilians"],
    ["gay", "lesbian", "bisexual", "transgender", "trans", "queer", "nonbinary"],
]
CLASS = {t.lower(): c for c in TERMS for t in c}
PEOPLE = "people|person|man|men|woman|women|guy|guys|kid|kids|child|children|family|families|neighbours?|students?|colleagues?"
# Cased, since "polish" and "black" are ordinary words too; the noun that follows decides where only an adjective can stand.
TERM = re.compile(r"\b(?:(an?|An?) )?(" + "|".join(t for c in TERMS for t in sorted(c, key=len, reverse=True) if t != "black")
                  + r"|[Gg]ay|[Bb]lack(?= (?:" + PEOPLE + r")\b))\b(?=( [a-z])?)")
ADJECTIVE_ONLY = {"chinese", "polish", "turkish", "jewish", "black", "vietnamese", "queer", "nonbinary", "trans", "transgender"}

JUNK = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def read_pairs(folder):
    """Every well-formed line of every file as a row that annotates all labels; malformed lines are counted and left out."""
    rows, bad, seen = [], 0, set()
    for path in sorted(glob.glob(os.path.join(folder, "*.tsv"))):
        theme = os.path.splitext(os.path.basename(path))[0]
        for line in open(path, encoding="utf-8"):
            line = line.rstrip("\n")
            if not line or line.startswith("#"):
                continue
            parts = line.split("\t")
            names = [] if len(parts) != 4 or parts[2] == "-" else parts[2].split(",")
            key = " ".join(re.findall(r"\w+", parts[-1].lower()))
            if len(parts) != 4 or parts[1] not in KINDS or not set(names) <= set(LABELS) - NOT_AUTHORED or not key or key in seen:
                bad += 1
                continue
            seen.add(key)
            rows.append({"text": parts[3].replace("\\n", "\n"), "source": f"pairs_{theme}", "group_id": f"{theme}/{parts[0]}",
                         "kind": parts[1], "labels": {n: int(n in names) for n in LABELS}, "benign": not names})
    if bad:
        print("authored pairs: lines left out:", bad, file=sys.stderr)
    return rows


def is_held_out(group):
    """One group in ten is never trained on; whole groups, so that no neighbour of a held-out text is seen."""
    return int(hashlib.sha256(group.encode()).hexdigest()[:8], 16) % 10 == 0


def swap(texts, rng):
    """The texts of one group with their identity terms exchanged, the same exchange in each."""
    chosen = {}

    def other(m):
        article, term, noun_follows = m.group(1), m.group(2), m.group(3)
        key = term.lower()
        if key not in chosen:
            chosen[key] = rng.choice(CLASS[key])
        new = chosen[key]
        if new.lower() in ADJECTIVE_ONLY and not noun_follows:
            new = term
        if not article:
            return new
        a = "an" if new[0].lower() in "aeiou" and not new.startswith("U") else "a"
        return f"{a} {new}"                     # the tokenizer lower-cases, so capitals need no care

    return [TERM.sub(other, t) for t in texts]


def salad(vocabulary, rng):
    """A tail of word pieces and signs, as an optimised suffix looks; made from the vocabulary alone."""
    out = []
    for _ in range(rng.randrange(10, 26)):
        r = rng.random()
        if r < 0.62:
            out.append(rng.choice(vocabulary))
        elif r < 0.85:
            out.append("".join(rng.choice(JUNK) for _ in range(rng.randrange(1, 4))))
        else:
            out.append(rng.choice(vocabulary).capitalize() + rng.choice(JUNK) + rng.choice(vocabulary))
    text = out[0]
    for piece in out[1:]:
        text += ("" if rng.random() < 0.3 else " ") + piece
    return text


def pieces(tok):
    """Latin word pieces of the tokenizer's vocabulary."""
    return sorted({t.removeprefix("##") for t in tok.get_vocab() if re.fullmatch(r"(##)?[a-z]{2,12}", t)})
