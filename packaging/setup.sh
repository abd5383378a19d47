#!/usr/bin/env bash
# Makes this machine ready to build Likeness; safe to run again and again.
#   packaging/setup.sh [--cuda]      --cuda also fetches NVIDIA's runtime libraries (about 3 GB)
#   LIKENESS_LIBTORCH=FOLDER         uses a LibTorch that is already there instead of fetching one
# Exit codes: 0 ready, 2 usage, 10 system not supported, 11 CPU not supported, 12 disk full, 13 no network,
#             14 Debian packages are missing and could not be installed, 15 LibTorch download damaged
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly torch_version=2.12.1
readonly requirements=packaging/libtorch-requirements.txt
readonly cuda_requirements=packaging/libtorch-cuda-requirements.txt
readonly cache="${XDG_CACHE_HOME:-${HOME:?}/.cache}/likeness"
readonly packages=(
  g++ cmake ninja-build ccache lld pkg-config python3 python3-pip clang-format shellcheck  # tools
  libexpected-dev nlohmann-json3-dev libyaml-cpp-dev libspdlog-dev libssl-dev libcli11-dev  # core
  libminizip-dev                                                                            # PyTorch's files
  libgloo-dev                                                                               # ranks; LibTorch holds the library
  libopencv-dev libjpeg-dev libpng-dev libwebp-dev libheif-dev liblcms2-dev libexiv2-dev    # pictures
  libutf8proc-dev                                                                           # text
  qt6-base-dev qt6-svg-dev qt6-tools-dev qt6-tools-dev-tools qt6-l10n-tools                 # window
  qt6-image-formats-plugins libqcustomplot-dev libqcustomplot2.1-qt6 libxcb-cursor0
  libgtest-dev libgmock-dev xvfb xauth xdotool openbox imagemagick                          # tests
)

say() { printf 'setup: %s\n' "$*"; }
stop() {  # stop CODE SENTENCE...
  local code=$1
  shift
  printf 'setup: %s\n' "$*" >&2
  exit "$code"
}

check_system() {
  local os_release=${LIKENESS_OS_RELEASE:-/etc/os-release} name=unknown family=""
  if [[ -r $os_release ]]; then
    name=$(sed -n 's/^PRETTY_NAME="\{0,1\}\([^"]*\).*/\1/p' "$os_release")
    family=$(sed -n 's/^ID\(_LIKE\)\{0,1\}=//p' "$os_release" | tr '"\n' '  ')
  fi
  [[ $(uname -sm) == "Linux x86_64" ]] || stop 10 "Likeness needs 64-bit Linux on x86-64; this is $(uname -sm)."
  [[ " $family " == *" debian "* ]] ||
    stop 10 "Likeness is set up on Debian 12 and its relatives; this is $name. Build by hand with the libraries that packaging/setup.sh lists."
  getconf GNU_LIBC_VERSION >/dev/null 2>&1 || stop 10 "LibTorch needs glibc, which $name lacks."
}

check_cpu() {
  grep -qw avx2 "${LIKENESS_CPUINFO:-/proc/cpuinfo}" || stop 11 "Likeness needs a CPU with AVX2 (2013 or newer); this one has none."
}

check_space() {  # check_space FOLDER MIB
  local free
  mkdir -p "$1" 2>/dev/null || stop 12 "The folder $1 cannot be created."
  free=$(df --output=avail -B1M "$1" | tail -n 1 | tr -d ' ')
  ((free >= $2)) || stop 12 "$1 has $free MiB free, $2 MiB are needed. Make room, or point XDG_CACHE_HOME to a larger disk."
}

missing_packages() {
  local package installed
  # shellcheck disable=SC2016  # dpkg-query fills these in
  installed=$'\n'$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null || true)$'\n'
  for package in "${packages[@]}"; do
    [[ $installed == *$'\n'"$package installed"$'\n'* ]] || printf '%s\n' "$package"
  done
}

install_packages() {
  local missing log sudo=()
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]})) || return 0
  if (($(id -u))); then
    sudo -n true 2>/dev/null || stop 14 "These packages are missing; install them and run this again:
  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}"
    sudo=(sudo -n)
  fi
  say "installing ${missing[*]}"
  if ! log=$({ "${sudo[@]}" apt-get update -qq && "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}"; } 2>&1); then
    tail -n 5 <<<"$log" >&2
    if grep -qiE 'no space left|enough free space' <<<"$log"; then stop 12 "The disk is full: the Debian packages did not fit."; fi
    if grep -qiE 'could not resolve|failed to fetch|could not connect|temporary failure|unreachable' <<<"$log"; then
      stop 13 "The Debian packages could not be fetched. Is there a network connection?"
    fi
    if grep -qi 'unable to locate' <<<"$log"; then stop 10 "This release of the system lacks packages that Likeness needs (see above); Debian 12 has them."; fi
    stop 14 "apt-get could not install the missing packages; its last lines stand above."
  fi
}

complete() {  # complete FOLDER: is it the pinned LibTorch, with CUDA's libraries if those are wanted?
  [[ -e $1/torch/lib/libtorch_cpu.so && -d $1/torch-$torch_version.dist-info && -d $1/nvidia/cu13/lib ]] &&
    { ((!cuda)) || [[ -d $1/nvidia/cudnn/lib ]]; }
}

fetch_wheels() {  # fetch_wheels REQUIREMENTS FOLDER
  local platforms=(--platform manylinux1_x86_64 --platform manylinux2010_x86_64 --platform manylinux2014_x86_64) minor
  for minor in {5..28}; do platforms+=(--platform "manylinux_2_${minor}_x86_64"); done
  local log="$cache/pip.log"
  rm -f "$log"
  # The wheels for Python 3.11, whichever Python runs pip: only their libraries and headers are used.
  if ! TMPDIR="$cache" python3 -m pip install --quiet --no-cache-dir --no-deps --no-compile --require-hashes \
    --only-binary=:all: --implementation cp --python-version 3.11 "${platforms[@]}" --progress-bar off \
    --disable-pip-version-check --root-user-action ignore --log "$log" --target "$2" -r "$1"; then
    rm -rf "$2"
    if grep -qiE 'no space left|errno 28' "$log"; then stop 12 "The disk is full: LibTorch did not fit into $cache."; fi
    if grep -qE 'DO NOT MATCH THE HASHES|BadZipFile' "$log"; then
      stop 15 "A downloaded wheel differs from the pinned one and was thrown away. Try again; if it stays so, do not use that mirror."
    fi
    if grep -q 'CERTIFICATE_VERIFY_FAILED' "$log"; then
      stop 13 "The Python package index answered with a certificate that this system does not trust. Behind a proxy, name its certificate in PIP_CERT."
    fi
    if grep -qiE 'connection|name resolution|timed out|unreachable|could not find a version' "$log"; then
      stop 13 "LibTorch could not be fetched from the Python package index. Is there a network connection?"
    fi
    stop 15 "pip could not fetch LibTorch; its log is $log."
  fi
  rm -f "$log"
}

# A folder takes its final name only when everything is in it, so an interrupted download never looks complete.
fetch_libtorch() {
  local plain="$cache/libtorch-$torch_version" target partial
  mkdir -p "$cache" 2>/dev/null || stop 12 "The folder $cache cannot be created."
  exec 9>"$cache/lock"
  flock 9  # two set-ups at once share one download
  target=$plain
  ((cuda)) && target=$plain-cuda
  if ! complete "$target"; then
    partial=$target.partial
    rm -rf "$partial" "$partial-extra"
    check_space "$cache" $((cuda ? 7000 : 3000))
    if cuda=0 complete "$plain"; then
      cp -al "$plain" "$partial"
    else
      say "fetching LibTorch $torch_version (0.5 GB, once) into $cache"
      fetch_wheels "$requirements" "$partial"
    fi
    if ((cuda)); then
      say "fetching NVIDIA's runtime libraries (3 GB, once)"
      fetch_wheels "$cuda_requirements" "$partial-extra"
      cp -al "$partial-extra/." "$partial/"
      rm -rf "$partial-extra"
    fi
    rm -rf "$target"
    mv -T "$partial" "$target"
  fi
  link_libtorch "$target"
}

link_libtorch() {
  mkdir -p .deps
  ln -sfnT "$(realpath "$1")" .deps/libtorch
}

cuda=0
for argument in "$@"; do
  case $argument in
    --cuda) cuda=1 ;;
    -h | --help) sed -n '2,6s/^# \{0,1\}//p' packaging/setup.sh && exit 0 ;;
    *) stop 2 "unknown option $argument; there is only --cuda." ;;
  esac
done

check_system
check_cpu
install_packages
if [[ -n ${LIKENESS_LIBTORCH:-} ]]; then
  complete "$LIKENESS_LIBTORCH" || stop 15 "LIKENESS_LIBTORCH=$LIKENESS_LIBTORCH does not hold LibTorch $torch_version with what was asked for."
  link_libtorch "$LIKENESS_LIBTORCH"
elif ! complete .deps/libtorch; then
  fetch_libtorch
fi
say "ready"
