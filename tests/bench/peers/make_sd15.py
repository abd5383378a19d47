#!/usr/bin/env python3
"""A diffusers folder of Stable Diffusion 1.5's shapes with random fp16 weights (2.1 GB): for measuring speed and memory.
  make_sd15.py VOCABULARY OUT      VOCABULARY: folder with vocab.json and merges.txt (resources/clip)
"""
import shutil
import sys
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

vocabulary, out = sys.argv[1:3]
torch.manual_seed(0)


def filled(network):
    """Small normal weights; norms stay as they are made, so that activations keep their size."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.02)
    return network.half()


unet = filled(UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8))
vae = filled(AutoencoderKL(down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
                           block_out_channels=[128, 256, 512, 512], layers_per_block=2, sample_size=512))
text = filled(CLIPTextModel(CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
                                           projection_dim=768, vocab_size=49408)))
tokenizer = CLIPTokenizer(f"{vocabulary}/vocab.json", f"{vocabulary}/merges.txt", model_max_length=77)
scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1)
StableDiffusionPipeline(vae=vae, text_encoder=text, tokenizer=tokenizer, unet=unet, scheduler=scheduler, safety_checker=None,
                        feature_extractor=None, requires_safety_checker=False).save_pretrained(out)
for name in ("vocab.json", "merges.txt"):  # save_pretrained may write tokenizer.json alone
    shutil.copy(f"{vocabulary}/{name}", f"{out}/tokenizer/{name}")
