#!/usr/bin/env bash
# clang-tidy (.clang-tidy) over the given sources, or over those that differ from the last commit or from $BASE.
#   packaging/tidy.sh [FILE.cpp...]        BASE=HEAD~5 packaging/tidy.sh        packaging/tidy.sh --all
# About 5 s a file, 15 s where torch is included, so it is no part of test.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=${BUILD:-build/dev}
[[ -e $build/compile_commands.json ]] || cmake --preset dev
files=("$@")
if [[ ${1:-} == --all ]]; then
  mapfile -t files < <(git ls-files 'app/*.cpp' 'core/*.cpp' 'ui/*.cpp')
elif ((!$#)); then
  mapfile -t files < <(git diff --name-only --diff-filter=d "${BASE:-HEAD}" -- 'app/*.cpp' 'core/*.cpp' 'ui/*.cpp')
fi
((${#files[@]})) || { echo "nothing to look at" && exit 0; }
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 1 clang-tidy -p "$build" --quiet
echo "${#files[@]} files are clean"
