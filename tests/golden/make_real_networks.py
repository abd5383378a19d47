#!/usr/bin/env python3
"""A network of Stable Diffusion's own architecture and size with random weights, and what diffusers or transformers compute with it in fp32.

  make_real_networks.py OUT_DIR NAME...    writes OUT_DIR/KIND_NAME.safetensors for each name of NETWORKS, one after the other

Files as those of make_networks_golden.py, without gradients. The pictures are small: it is the architecture that is compared. Memory and
disk: the weights in fp32, of the largest (unet_sdxl) 10.3 GB.
"""
import argparse
import json
import os

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from make_networks_golden import CROSS, CROSS_UP, DOWN, UP, run_unet, run_vae, unet_inputs

BEGIN, END, VOCABULARY = 0, 1, 49408  # ids as in make_networks_golden.py


def unet(context, **more):
    return UNet2DConditionModel, dict(dict(
        sample_size=64, in_channels=4, out_channels=4, block_out_channels=[320, 640, 1280, 1280], layers_per_block=2, attention_head_dim=8,
        cross_attention_dim=context, down_block_types=[CROSS, CROSS, CROSS, DOWN], up_block_types=[UP, CROSS_UP, CROSS_UP, CROSS_UP]), **more)


def text(kind, width, layers, act, **more):
    return kind, dict(dict(vocab_size=VOCABULARY, hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers,
                           num_attention_heads=width // 64, max_position_embeddings=77, hidden_act=act, layer_norm_eps=1e-5,
                           architectures=[kind.__name__]), **more)


# By the name of the file, of which the first part is the kind: the network, and how many tensors and parameters the published one has.
NETWORKS = {
    "unet_sd15": (unet(768), 686, 859_520_964),
    "unet_sd21": (unet(1024, attention_head_dim=[5, 10, 20, 20], use_linear_projection=True), 686, 865_910_724),
    "unet_sdxl": (unet(2048, block_out_channels=[320, 640, 1280], attention_head_dim=[5, 10, 20], use_linear_projection=True,
                       transformer_layers_per_block=[1, 2, 10], down_block_types=[DOWN, CROSS, CROSS], up_block_types=[CROSS_UP, CROSS_UP, UP],
                       addition_embed_type="text_time", addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816),
                  1680, 2_567_463_684),
    "vae_all": ((AutoencoderKL, dict(in_channels=3, out_channels=3, latent_channels=4, layers_per_block=2, norm_num_groups=32,
                                     block_out_channels=[128, 256, 512, 512], down_block_types=["DownEncoderBlock2D"] * 4,
                                     up_block_types=["UpDecoderBlock2D"] * 4)), 248, 83_653_863),
    "clip_sd15": (text(CLIPTextModel, 768, 12, "quick_gelu"), 196, 123_060_480),
    "clip_sd21": (text(CLIPTextModel, 1024, 23, "gelu"), 372, 340_387_840),
    "clipxl_first": (text(CLIPTextModel, 768, 12, "quick_gelu"), 196, 123_060_480),
    "clipxl_second": (text(CLIPTextModelWithProjection, 1280, 32, "gelu", projection_dim=1280), 517, 694_659_840),
}


def build(kind, config, generator):
    """Allocated once. Weights as torch's layers begin, norms and biases off their special values."""
    with torch.device("meta"):
        model = (kind(**config) if "vocab_size" not in config else
                 kind(CLIPTextConfig(**config, bos_token_id=BEGIN, eos_token_id=END, pad_token_id=END)))
    model = model.to_empty(device="cpu").eval().requires_grad_(False)
    for name, p in model.named_parameters():
        if p.ndim > 1:
            p.uniform_(-1, 1, generator=generator).mul_(0.02 if "embedding.weight" in name else p[0].numel() ** -0.5)
        else:
            p.uniform_(-0.1, 0.1, generator=generator).add_(1 if name.endswith("weight") else 0)
    for name, buffer in model.named_buffers():
        if not name.endswith("position_ids"):
            raise SystemExit(f"a buffer without a value: {name}")
        buffer.copy_(torch.arange(77))
    return model


def compare(kind, model, config, generator):
    """Inputs and what the network makes of them."""
    if kind == "unet":
        inputs = unet_inputs(config, (2, 16, 16), generator)
        inputs = {k: v.float() if v.is_floating_point() else v for k, v in inputs.items()}
        inputs["text"] = torch.randn(2, 77, config["cross_attention_dim"], generator=generator)
        return inputs, run_unet(model)(inputs)
    if kind == "vae":
        inputs = {"pixels": torch.rand(1, 3, 96, 64, generator=generator) * 2 - 1, "latents": torch.randn(1, 4, 12, 8, generator=generator)}
        return inputs, run_vae(model)(inputs)
    ids = torch.randint(2, VOCABULARY - 2, (2, 77), generator=generator)
    ids[:, 0], ids[0, 9:], ids[1, 76] = BEGIN, END, END
    made = model(ids, output_hidden_states=True)
    if kind == "clip":
        return {"ids": ids}, {"states": made.last_hidden_state}
    return {"ids": ids}, {"states": made.hidden_states[-2]} | ({"pooled": made.text_embeds} if "text_embeds" in made else {})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("names", nargs="+", choices=NETWORKS, metavar="NAME", help=", ".join(NETWORKS))
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    for name in args.names:
        (kind, config), tensors, parameters = NETWORKS[name]
        generator = torch.Generator().manual_seed(17)
        model = build(kind, config, generator)
        with torch.no_grad():
            inputs, outputs = compare(name.split("_")[0], model, config, generator)
        # transformers leaves the prefix of text encoders out in memory, files have it.
        prefix = "text_model." if kind is CLIPTextModel and not hasattr(model, "text_model") else ""
        weights = {f"weights/{prefix}{k}": v for k, v in model.state_dict().items() if v.is_floating_point()}
        if (len(weights), sum(w.numel() for w in weights.values())) != (tensors, parameters):
            raise SystemExit(f"{name} has {len(weights)} tensors and {sum(w.numel() for w in weights.values())} parameters")
        recorded = {f"input/{k}": v for k, v in inputs.items()} | {f"output/{k}": v.contiguous() for k, v in outputs.items()}
        save_file(weights | recorded, f"{args.out}/{name}.safetensors", {"config": json.dumps(config)})
        spread = {k: f"{v.std():.3g}" for k, v in outputs.items()}
        print(f"{name}: {tensors} tensors, {parameters} parameters, deviation of outputs {spread}", flush=True)


if __name__ == "__main__":
    main()
