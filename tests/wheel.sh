#!/usr/bin/env bash
# Builds the wheel from a clean copy of the tracked files, asserts that it holds netc/ alone, and runs it elsewhere.
set -euo pipefail
python=$(realpath -s "${1:?the python of the development environment}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/source"
git ls-files -z | xargs -0 cp --parents -t "$work/source"
"$python" -m build --wheel --outdir "$work/dist" "$work/source" >"$work/log" 2>&1 || { tail -20 "$work/log"; exit 1; }
wheel=$(ls "$work"/dist/*.whl)
"$python" - "$wheel" <<'PY'
import sys, zipfile
names = zipfile.ZipFile(sys.argv[1]).namelist()
stray = [n for n in names if not n.startswith(("netc/", "netc-"))]
assert not stray, stray
for needed in ("netc/py.typed", "netc/grammar/net.lark", "netc/models/digits.net", "netc/models/data/digits.csv.gz"):
    assert needed in names, needed
print(f"wheel: {len(names)} files")
PY
"$python" -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check "$wheel"
cd "$work"
"$work/env/bin/netc" --version
"$work/env/bin/netc" run digits epochs=2 --quiet --no-plots
"$work/env/bin/netc" eval runs/digits/latest
