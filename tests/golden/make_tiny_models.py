#!/usr/bin/env python3
"""Small random models of every family as diffusers folders, for the check_*.py. What a single file does not say of its networks is as in the
published ones: 32 groups, 8 heads in Stable Diffusion 1, heads of 64 channels in its successors.
  make_tiny_models.py TOKENIZER_FOLDER OUT_DIR      writes OUT_DIR/{sd1,sd2,sd2-v,sdxl,inpainting}
"""
import pathlib
import sys

import torch
from diffusers import (AutoencoderKL, DDIMScheduler, StableDiffusionInpaintPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline,
                       UNet2DConditionModel)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

source, out = sys.argv[1], pathlib.Path(sys.argv[2])
CROSS, DOWN, UP, CROSS_UP = "CrossAttnDownBlock2D", "DownBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"


def tokenizer(pad="<|endoftext|>"):
    return CLIPTokenizer.from_pretrained(source, pad_token=pad)


def text(width, layers, act, kind=CLIPTextModel, **more):
    size = len(tokenizer())
    return kind(CLIPTextConfig(vocab_size=size, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=layers,
                               num_attention_heads=width // 64, max_position_embeddings=77, hidden_act=act, bos_token_id=size - 2,
                               eos_token_id=size - 1, pad_token_id=size - 1, **more))


def unet(context, heads, **more):
    return UNet2DConditionModel(**(dict(sample_size=16, in_channels=4, out_channels=4, block_out_channels=[32, 64], layers_per_block=1,
                                        attention_head_dim=heads, norm_num_groups=32, cross_attention_dim=context,
                                        down_block_types=[CROSS, DOWN], up_block_types=[UP, CROSS_UP]) | more))


def shared(prediction="epsilon"):
    vae = AutoencoderKL(latent_channels=4, block_out_channels=[32, 32], norm_num_groups=32, down_block_types=["DownEncoderBlock2D"] * 2,
                        up_block_types=["UpDecoderBlock2D"] * 2)
    schedule = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
                             steps_offset=1, prediction_type=prediction)
    return {"vae": vae, "scheduler": schedule}


PLAIN = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


def sd1():
    return StableDiffusionPipeline(text_encoder=text(64, 2, "quick_gelu"), tokenizer=tokenizer(), unet=unet(64, 8), **shared(), **PLAIN)


def sd2(prediction="epsilon"):
    return StableDiffusionPipeline(text_encoder=text(128, 3, "gelu"), tokenizer=tokenizer("!"),
                                   unet=unet(128, [1, 1], use_linear_projection=True), **shared(prediction), **PLAIN)


def sdxl():
    added = dict(addition_embed_type="text_time", addition_time_embed_dim=256, projection_class_embeddings_input_dim=128 + 6 * 256)
    network = unet(64 + 128, [1, 1], use_linear_projection=True, transformer_layers_per_block=[1, 2], down_block_types=[DOWN, CROSS],
                   up_block_types=[CROSS_UP, UP], **added)
    return StableDiffusionXLPipeline(text_encoder=text(64, 2, "quick_gelu"), tokenizer=tokenizer(), tokenizer_2=tokenizer("!"),
                                     text_encoder_2=text(128, 3, "gelu", CLIPTextModelWithProjection, projection_dim=128), unet=network,
                                     add_watermarker=False, **shared())


def inpainting():
    return StableDiffusionInpaintPipeline(text_encoder=text(64, 2, "quick_gelu"), tokenizer=tokenizer(), unet=unet(64, 8, in_channels=9),
                                          **shared(), **PLAIN)


for seed, (name, make) in enumerate({"sd1": sd1, "sd2": sd2, "sd2-v": lambda: sd2("v_prediction"), "sdxl": sdxl,
                                     "inpainting": inpainting}.items()):
    torch.manual_seed(seed)
    pipeline = make()
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):  # moves zeros and ones off their special values
            for p in part.parameters():
                p.data += 0.05 * torch.randn_like(p)
    pipeline.save_pretrained(out / name)
