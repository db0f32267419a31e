#!/bin/sh
# wheel-test.sh PYTHON VENV : build the wheel, install it alone, and run the smoke tests against it from outside the
# source tree, so that a file missing from the wheel is found here and not by a user.
set -eu
python=$1 venv=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$venv/bin/uv" build --quiet --wheel --out-dir "$work/dist" .
"$python" -m venv "$work/venv"
"$venv/bin/uv" pip install --quiet --python "$work/venv/bin/python" -c constraints.txt "$work"/dist/*.whl \
  "pytest" "pytest-timeout" "jsonschema" "psutil" "hypothesis"
cp -r tests/wheel "$work/tests"
cd "$work"
"$work/venv/bin/python" -m pytest -q -p no:cacheprovider tests
