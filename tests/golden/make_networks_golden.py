#!/usr/bin/env python3
"""Golden data of the networks: tiny random configurations run through diffusers, transformers and peft in fp64.

  make_networks_golden.py OUT_DIR                writes OUT_DIR/{unet,vae,clip,clipxl,lora}_*.safetensors
  make_networks_golden.py OUT_DIR --large MODEL  bigger networks and those of a diffusers folder, for parity.py

Each file: metadata `config` (JSON); tensors weights/KEY (diffusers' keys, fp32), input/*, probe/NAME, output/NAME and
grad/KEY, the gradient of sum over outputs of <output, probe>.
"""
import argparse, json, os
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from peft import LoraConfig
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

CROSS, DOWN, UP, CROSS_UP = "CrossAttnDownBlock2D", "DownBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"


def unet_cases():
    base = dict(in_channels=4, out_channels=4, norm_num_groups=2, cross_attention_dim=6)
    return [
        (dict(base, block_out_channels=[4, 8], layers_per_block=1, attention_head_dim=1, down_block_types=[CROSS, DOWN],
              up_block_types=[UP, CROSS_UP]), (2, 8, 8)),
        (dict(base, block_out_channels=[4, 8, 8], layers_per_block=1, attention_head_dim=2, down_block_types=[CROSS, CROSS, DOWN],
              up_block_types=[UP, CROSS_UP, CROSS_UP]), (1, 7, 5)),
        (dict(base, block_out_channels=[8, 8], layers_per_block=2, attention_head_dim=[2, 4], use_linear_projection=True,
              down_block_types=[DOWN, CROSS], up_block_types=[CROSS_UP, UP]), (2, 6, 10)),
        (dict(base, block_out_channels=[4, 6], layers_per_block=[1, 2], transformer_layers_per_block=[1, 2], attention_head_dim=[1, 3],
              down_block_types=[CROSS, CROSS], up_block_types=[CROSS_UP, CROSS_UP]), (3, 9, 6)),
        (dict(base, block_out_channels=[12], layers_per_block=1, attention_head_dim=5, norm_num_groups=4, flip_sin_to_cos=False,
              freq_shift=1, norm_eps=1e-6, down_block_types=[CROSS], up_block_types=[CROSS_UP]), (1, 3, 3)),
        (dict(base, block_out_channels=[4, 4, 8, 8], layers_per_block=1, attention_head_dim=[1, 2, 4, 4], use_linear_projection=True,
              down_block_types=[CROSS, CROSS, CROSS, DOWN], up_block_types=[UP, CROSS_UP, CROSS_UP, CROSS_UP]), (2, 11, 13)),
        (dict(base, in_channels=3, out_channels=5, block_out_channels=[6, 4], layers_per_block=1, attention_head_dim=2,
              down_block_types=[DOWN, DOWN], up_block_types=[UP, UP]), (1, 1, 2)),
        # SDXL: pooled text (5) and six sizes of 4 numbers each go to the time embedding.
        (dict(base, block_out_channels=[4, 8, 8], layers_per_block=1, attention_head_dim=[1, 2, 4], use_linear_projection=True,
              transformer_layers_per_block=[1, 2, 3], addition_embed_type="text_time", addition_time_embed_dim=4,
              projection_class_embeddings_input_dim=29, down_block_types=[DOWN, CROSS, CROSS],
              up_block_types=[CROSS_UP, CROSS_UP, UP]), (2, 8, 8)),
    ]


def large_unet_cases():
    base = dict(in_channels=4, out_channels=4, norm_num_groups=32, cross_attention_dim=96)
    sd = dict(down_block_types=[CROSS, CROSS, CROSS, DOWN], up_block_types=[UP, CROSS_UP, CROSS_UP, CROSS_UP])
    return [
        (dict(base, block_out_channels=[32, 64, 128, 128], layers_per_block=2, attention_head_dim=8, **sd), (1, 16, 12)),
        (dict(base, block_out_channels=[32, 64, 96, 96], layers_per_block=1, attention_head_dim=[1, 2, 3, 3], use_linear_projection=True,
              **sd), (1, 13, 17)),
    ]


def vae_cases():
    def case(channels, size, batch=1, **more):
        return dict(dict(in_channels=3, out_channels=3, latent_channels=4, norm_num_groups=2, block_out_channels=channels,
                         down_block_types=["DownEncoderBlock2D"] * len(channels), up_block_types=["UpDecoderBlock2D"] * len(channels),
                         scaling_factor=0.43), **more), (batch, *size)
    return [case([4, 8], (8, 8), 2), case([4, 4, 8], (17, 11)), case([4], (5, 6)), case([4, 6], (9, 8), layers_per_block=2),
            case([4, 8], (6, 10), use_quant_conv=False, use_post_quant_conv=False), case([8, 4], (7, 7), mid_block_add_attention=False),
            case([6, 6], (8, 6), latent_channels=3, norm_num_groups=3)]


def large_vae_cases():
    channels = [32, 64, 128, 128]
    return [(dict(in_channels=3, out_channels=3, latent_channels=4, norm_num_groups=32, layers_per_block=2, block_out_channels=channels,
                  down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4), (1, 40, 32))]


def clip_cases():
    def case(tokens, batch=2, **more):
        return dict(dict(vocab_size=40, hidden_size=8, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
                         max_position_embeddings=12, hidden_act="quick_gelu"), **more), (batch, tokens)
    return [case(12), case(12, hidden_act="gelu"), case(7), case(12, 1, num_attention_heads=1, num_hidden_layers=1),
            case(5, 3, num_attention_heads=4, intermediate_size=13), case(12, hidden_size=12, num_attention_heads=3, layer_norm_eps=1e-3),
            case(1, 1, hidden_act="gelu", num_hidden_layers=3)]


def clip_xl_cases():
    """As SDXL reads its text encoders: the state before the last layer, and the second's projected end of text (id 1)."""
    def case(projection, **more):
        return dict(dict(vocab_size=40, hidden_size=8, intermediate_size=16, num_hidden_layers=3, num_attention_heads=2,
                         max_position_embeddings=12, projection_dim=projection), **more), (3, 12)
    return [case(6, hidden_act="gelu"), case(8, hidden_act="gelu", num_hidden_layers=2), case(5, hidden_act="quick_gelu")]


def large_clip_cases():
    return [(dict(vocab_size=1000, hidden_size=256, intermediate_size=1024, num_hidden_layers=6, num_attention_heads=8,
                  max_position_embeddings=77, hidden_act=act), (2, 77)) for act in ("quick_gelu", "gelu")]


def randomize(model, generator):
    """Default initialisation leaves norms at one and biases near zero; move everything off its special value."""
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator, dtype=torch.float64)
        p.data += (0.2 if p.ndim == 1 else 0.02) * noise
        p.data = p.data.float().double()  # exactly what the file holds


def record(path, model, config, inputs, run, trained=None, extra=None):
    generator = torch.Generator().manual_seed(7)
    outputs = run(inputs)
    probes = {k: torch.randn(v.shape, generator=generator, dtype=torch.float64).float().double() for k, v in outputs.items()}
    sum((outputs[k] * probes[k]).sum() for k in outputs).backward()
    file = {f"input/{k}": v for k, v in inputs.items()} | {f"output/{k}": v for k, v in outputs.items()}
    file |= {f"probe/{k}": v for k, v in probes.items()} | (extra or {})
    for name, p in (trained or dict(model.named_parameters())).items():
        file[f"grad/{name}"] = torch.zeros_like(p) if p.grad is None else p.grad
    if trained is None:
        file |= {f"weights/{k}": v for k, v in model.state_dict().items() if v.is_floating_point()}
    file = {k: (v.detach().float() if v.is_floating_point() else v).clone().contiguous() for k, v in file.items()}
    save_file(file, path, metadata={"config": json.dumps(config)})


def unet_inputs(config, shape, generator):
    batch, height, width = shape
    randn = lambda *s: torch.randn(*s, generator=generator, dtype=torch.float64).float().double()
    return {"sample": randn(batch, config["in_channels"], height, width), "text": randn(batch, 5, config["cross_attention_dim"]),
            "timesteps": torch.randint(0, 1000, (batch,), generator=generator)} | ({} if not config.get("addition_time_embed_dim") else {
                "pooled": randn(batch, config["projection_class_embeddings_input_dim"] - 6 * config["addition_time_embed_dim"]),
                "time_ids": torch.randint(0, 1024, (batch, 6), generator=generator).double()})


def run_unet(model):
    def run(x):
        added = {"added_cond_kwargs": {"text_embeds": x["pooled"], "time_ids": x["time_ids"]}} if "pooled" in x else {}
        return {"sample": model(x["sample"], x["timesteps"], x["text"], **added).sample}
    return run


def make_unets(folder, cases):
    for i, (config, shape) in enumerate(cases):
        torch.manual_seed(100 + i); generator = torch.Generator().manual_seed(i)
        model = UNet2DConditionModel(**config).double(); randomize(model, generator)
        record(f"{folder}/unet_{i}.safetensors", model, config, unet_inputs(config, shape, generator), run_unet(model))


def make_loras(folder, cases):
    """The adapter over a frozen UNet: attention and MLP, then also the projections and the convolutions of the resnets."""
    targets = [["to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2"],
               ["to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "conv1", "conv2", "time_emb_proj", "conv_shortcut"]]
    for i, (config, shape) in enumerate(cases):
        torch.manual_seed(200 + i); generator = torch.Generator().manual_seed(50 + i)
        model = UNet2DConditionModel(**config).double(); randomize(model, generator)
        weights = {f"weights/{k}": v.clone() for k, v in model.state_dict().items()}
        model.requires_grad_(False)
        model.add_adapter(LoraConfig(r=2, lora_alpha=3, init_lora_weights="gaussian", target_modules=targets[i]))
        model = model.double()
        adapter = {k.replace(".default", ""): p for k, p in model.named_parameters() if p.requires_grad}
        for p in adapter.values():
            p.data += 0.1 * torch.randn(p.shape, generator=generator, dtype=torch.float64); p.data = p.data.float().double()
        extra = weights | {f"adapter/{k}": p for k, p in adapter.items()}
        record(f"{folder}/lora_{i}.safetensors", model, dict(config, rank=2, alpha=3, targets=targets[i]),
               unet_inputs(config, shape, generator), run_unet(model), adapter, extra)


def run_vae(model):
    def run(x):
        posterior = model.encode(x["pixels"]).latent_dist
        return {"mean": posterior.mean, "std": posterior.std,
                "pixels": model.decode(x["latents"] / model.config.scaling_factor).sample}
    return run


def make_vaes(folder, cases):
    for i, (config, (batch, height, width)) in enumerate(cases):
        torch.manual_seed(300 + i); generator = torch.Generator().manual_seed(i)
        model = AutoencoderKL(**config).double(); randomize(model, generator)
        randn = lambda *s: torch.randn(*s, generator=generator, dtype=torch.float64).float().double()
        factor = 2 ** (len(config["block_out_channels"]) - 1)
        inputs = {"pixels": randn(batch, 3, height, width),
                  "latents": randn(batch, config["latent_channels"], height // factor, width // factor)}
        record(f"{folder}/vae_{i}.safetensors", model, config, inputs, run_vae(model))


def make_clips(folder, cases):
    for i, (config, (batch, tokens)) in enumerate(cases):
        torch.manual_seed(400 + i); generator = torch.Generator().manual_seed(i)
        full = CLIPTextConfig(**config, bos_token_id=0, eos_token_id=1, pad_token_id=1)
        model = CLIPTextModel(full).double().eval(); randomize(model, generator)
        inputs = {"ids": torch.randint(0, config["vocab_size"], (batch, tokens), generator=generator)}
        record(f"{folder}/clip_{i}.safetensors", model, config, inputs, lambda x: {"states": model(x["ids"])[0]})


def make_xl_clips(folder, cases):
    for i, (config, (batch, tokens)) in enumerate(cases):
        torch.manual_seed(500 + i); generator = torch.Generator().manual_seed(i)
        full = CLIPTextConfig(**config, bos_token_id=0, eos_token_id=1, pad_token_id=1)
        model = CLIPTextModelWithProjection(full).double().eval(); randomize(model, generator)
        ids = torch.randint(2, config["vocab_size"], (batch, tokens), generator=generator)
        for row in range(batch - 1):  # ends at different places, padded with further ends; the last row has none
            ids[row, 3 + 4 * row:] = 1
        def run(x):
            out = model(x["ids"], output_hidden_states=True)
            return {"states": out.hidden_states[-2], "pooled": out.text_embeds}
        record(f"{folder}/clipxl_{i}.safetensors", model, dict(config, architectures=["CLIPTextModelWithProjection"]), {"ids": ids}, run)


def make_model(folder, model):
    """The networks of a diffusers folder as they are."""
    generator = torch.Generator().manual_seed(5)
    randn = lambda *s: torch.randn(*s, generator=generator, dtype=torch.float64).float().double()
    plain = lambda config: {k: v for k, v in config.items() if not k.startswith("_")}
    unet = UNet2DConditionModel.from_pretrained(model, subfolder="unet", torch_dtype=torch.float64)
    size = unet.config.sample_size
    record(f"{folder}/unet_model.safetensors", unet, plain(unet.config),
           unet_inputs(unet.config, (2, size, size), generator), run_unet(unet))
    vae = AutoencoderKL.from_pretrained(model, subfolder="vae", torch_dtype=torch.float64)
    side = vae.config.sample_size
    record(f"{folder}/vae_model.safetensors", vae, plain(vae.config),
           {"pixels": randn(1, 3, side, side), "latents": randn(1, vae.config.latent_channels, size, size)}, run_vae(vae))
    clip = CLIPTextModel.from_pretrained(model, subfolder="text_encoder", torch_dtype=torch.float64).eval()
    ids = torch.randint(0, clip.config.vocab_size, (2, clip.config.max_position_embeddings), generator=generator)
    record(f"{folder}/clip_model.safetensors", clip, clip.config.to_dict(), {"ids": ids}, lambda x: {"states": clip(x["ids"])[0]})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out"); parser.add_argument("--large", metavar="MODEL")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    if args.large:
        make_unets(args.out, large_unet_cases()); make_vaes(args.out, large_vae_cases()); make_clips(args.out, large_clip_cases())
        make_loras(args.out, large_unet_cases()[1:]); make_model(args.out, args.large); return
    make_unets(args.out, unet_cases()); make_vaes(args.out, vae_cases()); make_clips(args.out, clip_cases())
    make_loras(args.out, [unet_cases()[0], unet_cases()[1]]); make_xl_clips(args.out, clip_xl_cases())


if __name__ == "__main__":
    main()
