#!/usr/bin/env python3
"""Golden data of the previews' decoder: a narrow AutoencoderTiny of random weights through diffusers in fp64.

  make_tiny_decoder_golden.py OUT_DIR    writes OUT_DIR/tiny_decoder.safetensors

weights/KEY are diffusers' keys in fp32; input/latents, output/sample.
"""
import sys
import diffusers, torch
from safetensors.torch import save_file

torch.manual_seed(5)
model = diffusers.AutoencoderTiny(encoder_block_out_channels=(4,) * 4, decoder_block_out_channels=(4,) * 4)
weights = {key: value.clone() for key, value in model.state_dict().items() if key.startswith("decoder.")}
latents = 2 * torch.randn(2, 4, 5, 7)  # some beyond the clamp at 3
with torch.no_grad():
    sample = model.double().decode(latents.double()).sample
tensors = {"weights/" + key: value for key, value in weights.items()}
tensors |= {"input/latents": latents, "output/sample": sample.float()}
save_file(tensors, sys.argv[1] + "/tiny_decoder.safetensors", metadata={"diffusers": diffusers.__version__, "torch": torch.__version__})
