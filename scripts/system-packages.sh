#!/bin/sh
# Debian packages that some tests use: a screen for the viewer, a browser for the report, DICOM validators, an archive.
# Installed where we may (as root, with apt); named where we may not. Tests whose package is missing skip and say so.
set -eu
viewer="xvfb xauth libgl1 libegl1 libdbus-1-3 libfontconfig1 libglib2.0-0 libxkbcommon-x11-0 libxcb-cursor0 \
libxcb-icccm4 libxcb-keysyms1 libxcb-shape0"
page="chromium"
dicom="dicom3tools dcmtk orthanc orthanc-dicomweb"

missing=""
for package in $viewer $page $dicom; do
  case "$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)" in
    *" installed") ;;
    *) missing="$missing $package" ;;
  esac
done
[ -z "$missing" ] && exit 0

if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  echo "Installing system packages for the tests:$missing"
  export DEBIAN_FRONTEND=noninteractive
  # Installing orthanc must not leave an archive listening on the machine: its tests start their own.
  blocked=0
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d && blocked=1
  fi
  apt-get update -qq || true
  # shellcheck disable=SC2086
  apt-get install -y -qq --no-install-recommends $missing >/dev/null ||
    echo "Some of these could not be installed; the tests that need them will skip." >&2
  [ "$blocked" = 1 ] && rm -f /usr/sbin/policy-rc.d
  exit 0
fi
echo "Some tests will skip, because these system packages are missing. To run them all:" >&2
echo "  sudo apt-get install --no-install-recommends$missing" >&2
