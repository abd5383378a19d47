#!/usr/bin/env bash
# sheet.sh LIKENESS_CLI MODEL OUT.png [SEED]: 32 prompts at guidance 4, one picture each, as one labelled sheet. The prompts and the
# seed stay, so that versions of the model can be compared.
set -euo pipefail
cli=$1 model=$2 out=$3 seed=${4:-7}
prompts=(
  "a photo of a dog face on the grass" "a photo of a cat face on a blue background" "a photo of a pizza on a wooden floor" "a photo of a rose in the snow"
  "a photo of a tree in the mountains" "a photo of a house in the forest" "a photo of a car in the city" "a photo of a bus in the city"
  "a photo of a fire engine on a yellow background" "a photo of an airplane in the cloudy sky" "a photo of a soccer ball on the grass" "a photo of a tiger face in the forest"
  "a photo of a strawberry on a white background" "a photo of a banana on a green background" "a photo of a sunflower in the desert" "a photo of a mushroom in the forest"
  "a photo of a penguin in the snow" "a photo of a frog in the water" "a photo of a fish in the water" "a photo of a whale in the water"
  "a photo of a butterfly on the grass" "a photo of a hamburger on a red background" "a photo of an ice cream on a pink background" "a photo of a cupcake in a room"
  "a photo of a red heart on a white background" "a photo of a pumpkin at sunset" "a photo of a watermelon on the beach" "a photo of a hot beverage on a wooden floor"
  "a photo of a smiling face with sunglasses on the beach" "a photo of a robot in the city" "a photo of a snowman in the snow" "a photo of a castle under a night sky"
)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sheet=()
for i in "${!prompts[@]}"; do
  "$cli" generate --model "$model" --prompt "${prompts[i]}" --seed "$seed" --count 1 --guidance 4 --steps 30 --sampler dpmpp_2m --out "$work/$i" >/dev/null 2>&1
  sheet+=(-label "${prompts[i]#a photo of }" "$work/$i"/*.png)
done
montage -pointsize 9 "${sheet[@]}" -tile 8x4 -geometry +3+3 "$out"
