#!/usr/bin/env bash
# packaging/tour.sh OUT_DIR [BUILD_DIR]: the whole product by real mouse and key events, under Xvfb with openbox, and a
# screenshot of each stage in OUT_DIR. Needs xvfb, openbox, xdotool and imagemagick. The environment may set PHOTOS (a
# folder), SUBJECT, CLASS, STEPS, CLASS_IMAGES, THEME (light, dark).
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
out=${1:?"usage: packaging/tour.sh OUT_DIR [BUILD_DIR]"}
build=$(cd "${2:-$root/build/dev}" && pwd)
photos=${PHOTOS:-$root/resources/samples/duck_toy}
for tool in Xvfb openbox xdotool import; do
  command -v "$tool" > /dev/null || { echo "tour: $tool is missing (packages xvfb openbox xdotool imagemagick)" >&2; exit 4; }
done
for program in likeness drag_source; do
  [ -x "$build/bin/$program" ] || { echo "tour: $build/bin/$program is not built" >&2; exit 4; }
done
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2> /dev/null || true; done
  wait 2> /dev/null || true
  rm -rf "$work"
}
trap finish EXIT
die() {
  echo "tour: $1" >&2
  import -window root "$out/failed.png" || true
  tail -5 "$work"/*.log >&2
  exit 1
}

# A display of its own: Xvfb chooses a free number and writes it.
Xvfb -displayfd 3 -screen 0 1500x900x24 -nolisten tcp 3> "$work/display" 2> "$work/xvfb.log" &
pids+=($!)
for _ in $(seq 100); do [ -s "$work/display" ] && break; sleep 0.1; done
DISPLAY=:$(cat "$work/display")
export DISPLAY QT_QPA_PLATFORM=xcb QT_QPA_PLATFORMTHEME=none HOME=$work XDG_RUNTIME_DIR=$work LC_ALL=C.UTF-8
export LIKENESS_SETTINGS=$work/settings.ini
theme=1
if [ "${THEME:-light}" = dark ]; then theme=2; fi
printf '[General]\ntheme=%s\n' "$theme" > "$LIKENESS_SETTINGS"
openbox > "$work/openbox.log" 2>&1 &
pids+=($!)
"$build/bin/likeness" --size 1200x800 --widget-map "$work/widgets" > "$work/likeness.log" 2>&1 &
pids+=($!)
likeness=$!
window=$(timeout 60 xdotool search --sync --onlyvisible --pid "$likeness" --name Likeness | head -1) || die "no window"
xdotool windowmove --sync "$window" 0 0
xdotool windowactivate --sync "$window"

shot() { sleep 0.8; import -window root -crop 1200x800+0+0 +repage "$out/$1.png"; echo "tour: $1"; }
# The line of a visible, enabled control; waits for it (seconds, 20 unless told).
find_control() {
  local until=$((SECONDS + ${2:-20}))
  while [ $SECONDS -lt $until ]; do
    line=$(grep -m1 -E "^$1 .* 1\$" "$work/widgets" 2> /dev/null || true)
    [ -n "$line" ] && return 0
    kill -0 "$likeness" 2> /dev/null || die "the program has ended"
    sleep 0.2
  done
  return 1
}
# Moves to a point of a control, in percent of its width and height (the middle unless told).
point() {
  find_control "$1" "${4:-20}" || die "no control $1"
  read -r _ x y w h _ <<< "$line"
  xdotool mousemove $((x + w * ${2:-50} / 100)) $((y + h * ${3:-50} / 100))
  sleep 0.15
}
click() { point "$@"; xdotool click 1; sleep 0.25; }
fill() { click "$1"; xdotool key ctrl+a; xdotool type --delay 25 "$2"; sleep 0.2; }
key() { xdotool key "$@"; sleep 0.3; }
# A file dialog takes a path by keys.
path() { sleep 0.8; xdotool key ctrl+a; xdotool type --delay 10 "$1"; key Return; sleep 0.8; }

shot 01-start
click startNew
path "$work/my-duck"
find_control photoGrid || die "the project did not open"
shot 02-photos-empty

# Dropping from another program's window.
"$build/bin/drag_source" "$photos"/* > "$work/source.log" 2>&1 &
pids+=($!)
source=$(timeout 30 xdotool search --sync --onlyvisible --pid $! --name Photos | head -1)
xdotool windowmove --sync "$source" 1260 60
sleep 0.5
xdotool mousemove 1310 130 mousedown 1
for x in 1300 1280 1200 1000 800 600 500 480 470; do xdotool mousemove $x 400; sleep 0.08; done
shot 03-dragging
xdotool mouseup 1
sleep 2.5
xdotool windowminimize "$source"
xdotool windowactivate --sync "$window"
fill subjectName "${SUBJECT:-Quacky}"
fill classWord "${CLASS:-toy}"
key Tab
click photoGrid 15 15
sleep 1
shot 04-photos

click goTrain
click expertToggle
fill optionSearch "training steps"
fill option:training.steps "${STEPS:-40}"
key Tab
fill optionSearch ""
key BackSpace
click expertToggle
fill classCount "${CLASS_IMAGES:-8}"
key Tab
shot 05-train-ready
click trainStart
sleep 4
shot 06-class-pictures
find_control trainStop 5 && sleep 6
shot 07-training
find_control trainStart 600 || die "the training did not end"
shot 08-trained

click trainCreate
fill prompt "{subject} on the beach"
fill seed 5
shot 09-create
click generate
sleep 1
shot 10-forming
find_control generate 300 || die "the pictures did not come"
shot 11-pictures

# Guidance with the same seed: by mouse, then by keys.
point guidanceSlider 28 50
xdotool mousedown 1
find_control guidanceSlider
read -r _ x y w h _ <<< "$line"
for percent in 32 38 44 50; do xdotool mousemove $((x + w * percent / 100)) $((y + h / 2)); sleep 0.2; done
shot 12-guidance-moving
xdotool mouseup 1
key Right Right
sleep 2
find_control generate 300 || die "the picture did not follow"
shot 13-guidance-rested

click savePicture
path "$work/kept.png"
[ -s "$work/kept.png" ] || die "the picture was not saved"
shot 14-saved
key ctrl+e
find_control exportStart 20 || die "no export dialog"
click exportStart
shot 15-exporting
find_control exportOpen 600 || die "the export did not end well"
shot 16-exported
click exportClose
key ctrl+3
find_control compareStart || die "the Compare page did not open"
shot 17-compare-begins
click compareStart
sleep 1
find_control compareStart 300 || die "the sheet was not filled"
sleep 1
shot 18-compared
key ctrl+5
sleep 1
shot 19-library
key ctrl+1
shot 20-photos-again
key ctrl+q
for _ in $(seq 50); do kill -0 "$likeness" 2> /dev/null || break; sleep 0.2; done
kill -0 "$likeness" 2> /dev/null && die "the window did not close"
cp "$work/kept.png" "$out/kept.png"
shots=("$out"/*.png)
echo "tour: done, ${#shots[@]} pictures in $out"
