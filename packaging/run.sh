#!/usr/bin/env bash
# Set-up, Release build, and the main job on the bundled sample photos.
#   packaging/run.sh [--headless] [--out DIR] [--cuda] [-- options of likeness-cli train]
# With a display it opens the window on a sample project. Without one, or with --headless, it trains, makes a contact
# sheet and exports, all under DIR (build/first-run), and says where things are and how long they took.
set -euo pipefail
called_from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly sample=resources/samples/duck_toy token=sks class=toy
headless=0 out=build/first-run setup_options=()
while (($#)); do
  case $1 in
    --headless) headless=1 ;;
    --out) out=$(cd "$called_from" && realpath -m "${2:?--out needs a folder}") && shift ;;
    --cuda) setup_options+=(--cuda) ;;
    --) shift && break ;;
    -h | --help) sed -n '2,5s/^# \{0,1\}//p' packaging/run.sh && exit 0 ;;
    *) echo "run: unknown option $1 (see --help)" >&2 && exit 2 ;;
  esac
  shift
done
[[ -n ${DISPLAY:-}${WAYLAND_DISPLAY:-} ]] || headless=1

times=""
timed() {  # timed NAME COMMAND...
  local name=$1 start=${EPOCHREALTIME/[.,]/}
  shift
  "$@"
  local tenths=$(((${EPOCHREALTIME/[.,]/} - start) / 100000))
  times+=$(printf '  %-12s %6d.%d s' "$name" $((tenths / 10)) $((tenths % 10)))$'\n'
}

build() {
  cmake --preset release >build/configure.log || { cat build/configure.log && return 1; }
  cmake --build --preset release
}

cli=build/release/bin/likeness-cli
project=$out/duck.likeness

make_project() {  # a project that the window and the command line open alike
  [[ -e $project/project.yaml ]] && return
  local program=$PWD/$cli
  mkdir -p "$project/photos"
  cp "$sample"/*.jpg "$project/photos/"
  (cd "$project" && "$program" train --photos photos --token "$token" --class "$class" --print-config >.new && mv .new project.yaml)
}

train() {
  "$cli" train "$project" "$@" --json | tee "$out/train.json"
  run=$(python3 -c 'import json, sys; print(json.loads(sys.stdin.readlines()[-1])["run"])' <"$out/train.json")
}

picture() {  # picture NAME MODEL PROMPT: one picture, always from the same noise
  "$cli" generate --model "$2" --prompt "$3" --seed 7 --count 1 --out "$out/pictures/$1"
}

pictures() {
  local subject="$token $class" name sheet=()
  rm -rf "$out/pictures"
  picture before starter "a photo of $subject"
  picture after "$run" "a photo of $subject"
  picture class-before starter "a photo of $class"
  picture class-after "$run" "a photo of $class"
  picture scene-1 "$run" "a photo of $subject on the beach"
  picture scene-2 "$run" "a photo of $subject in the snow"
  picture scene-3 "$run" "a red $subject"
  for name in before after class-before class-after scene-1 scene-2 scene-3; do
    sheet+=(-label "$name" "$out/pictures/$name"/*.png)
  done
  montage "${sheet[@]}" -tile x1 -geometry +6+6 "$out/contact-sheet.png"
}

export_run() {
  rm -rf "$out/export"
  "$cli" export "$run" --format diffusers --dtype fp16 --out "$out/export/diffusers"
  if grep -q 'method: lora' "$run/run.yaml"; then
    "$cli" export "$run" --format kohya-lora --dtype fp16 --out "$out/export/lora.safetensors"
  fi
}

timed set-up packaging/setup.sh "${setup_options[@]}"
mkdir -p "$out" build
timed build build
make_project
if ((!headless)); then
  exec build/release/bin/likeness "$project"
fi
timed training train "$@"
timed generation pictures
timed export export_run
cat <<END

Done.
  project        $project   (open it with build/release/bin/likeness)
  run            $run
  contact sheet  $out/contact-sheet.png
  pictures       $out/pictures
  export         $out/export
Times
$times
END
