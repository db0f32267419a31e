#!/bin/sh
# install.sh PYTHON VENV base|test : make the virtual environment and install calcimeasure into it, under the
# constraints. uv is used where it can be had, because it is many times faster; pip does the same without it.
set -eu
python=$1 venv=$2 what=$3

"$python" - <<'CHECK' || { echo "calcimeasure needs Python 3.11 or newer, with venv (Debian: apt install python3-venv)." >&2; exit 2; }
import ensurepip, sys, venv
sys.exit(sys.version_info < (3, 11))
CHECK

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
if [ ! -x "$venv/bin/uv" ]; then
  echo "Installing into $venv (the first time takes a minute or two) ..."
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check uv || true
fi

install() {
  if [ -x "$venv/bin/uv" ] && "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" -c constraints.txt "$@"; then
    return
  fi
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt "$@"
}

case $what in
  base) install -e . ;;
  test) install -e ".[all]" --group test --group viewer-test --group quality ;;
  *) echo "install.sh: what is '$what'?" >&2; exit 2 ;;
esac
