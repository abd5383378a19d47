#!/usr/bin/env bash
# translations/update.sh BUILD_DIR: collects every text into translations/*.ts. English holds plural forms only.
# A new language: add its .ts name to the list in ui/CMakeLists.txt, run this, then `linguist translations/likeness_XX.ts`.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
build=${1:?"usage: translations/update.sh BUILD_DIR"}
lupdate=$(command -v lupdate-qt6 || command -v /usr/lib/qt6/bin/lupdate || command -v lupdate)
cmake --build "$build" --target likeness_api_texts
texts=$root/translations/api_texts.gen.cpp
trap 'rm -f "$texts"' EXIT
"$build/bin/likeness_api_texts" > "$texts"
for ts in "$root"/translations/likeness_*.ts; do
  plural=()
  case $ts in */likeness_en.ts) plural=(-pluralonly) ;; esac
  "$lupdate" -no-obsolete -locations none -I "$root" "${plural[@]}" "$root/ui" "$root/app" "$texts" -ts "$ts"
done
