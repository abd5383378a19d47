#!/usr/bin/env python3
"""A diffusers folder of the real shapes of Stable Diffusion 1.5 (2.1 GB) or XL (7 GB) with random fp16 weights: for measuring speed and memory.
  make_random_model.py {sd15|sdxl} VOCABULARY OUT      VOCABULARY: folder with vocab.json and merges.txt (resources/clip)
"""
import shutil
import sys
import torch
from diffusers import (AutoencoderKL, DDIMScheduler, EulerDiscreteScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline,
                       UNet2DConditionModel)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

family, vocabulary, out = sys.argv[1:4]
torch.manual_seed(0)
torch.set_default_dtype(torch.float16)


def filled(network):
    """Small normal weights; norms stay as they are made, so that activations keep their size."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.02)
    return network.half()


def tokenizer(pad):
    return CLIPTokenizer(f"{vocabulary}/vocab.json", f"{vocabulary}/merges.txt", model_max_length=77, pad_token=pad)


autoencoder = dict(down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4, block_out_channels=[128, 256, 512, 512],
                   layers_per_block=2)
clip_l = dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, projection_dim=768, vocab_size=49408)
schedule = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1)
if family == "sd15":
    StableDiffusionPipeline(
        unet=filled(UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)),
        vae=filled(AutoencoderKL(**autoencoder, sample_size=512)), text_encoder=filled(CLIPTextModel(CLIPTextConfig(**clip_l))),
        tokenizer=tokenizer("<|endoftext|>"), scheduler=DDIMScheduler(**schedule, clip_sample=False, set_alpha_to_one=False), safety_checker=None,
        feature_extractor=None, requires_safety_checker=False).save_pretrained(out)
elif family == "sdxl":
    unet = UNet2DConditionModel(
        sample_size=128, cross_attention_dim=2048, attention_head_dim=(5, 10, 20), use_linear_projection=True, block_out_channels=(320, 640, 1280),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), transformer_layers_per_block=(1, 2, 10),
        addition_embed_type="text_time", addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816)
    big_g = CLIPTextConfig(hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=20, projection_dim=1280,
                           vocab_size=49408, hidden_act="gelu", pad_token_id=0)
    StableDiffusionXLPipeline(
        unet=filled(unet), vae=filled(AutoencoderKL(**autoencoder, sample_size=1024, scaling_factor=0.13025)),
        text_encoder=filled(CLIPTextModel(CLIPTextConfig(**clip_l))), text_encoder_2=filled(CLIPTextModelWithProjection(big_g)),
        tokenizer=tokenizer("<|endoftext|>"), tokenizer_2=tokenizer("!"), scheduler=EulerDiscreteScheduler(**schedule)).save_pretrained(out)
else:
    sys.exit(__doc__)
for name in ("vocab.json", "merges.txt"):  # save_pretrained may write tokenizer.json alone
    for folder in ("tokenizer", "tokenizer_2") if family == "sdxl" else ("tokenizer",):
        shutil.copy(f"{vocabulary}/{name}", f"{out}/{folder}/{name}")
