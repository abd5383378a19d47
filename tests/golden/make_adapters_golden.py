#!/usr/bin/env python3
"""Golden data of adapters: what diffusers, peft and lycoris make of files of every dialect and kind on a tiny UNet and text encoder, in fp64.

  make_adapters_golden.py OUT_DIR    writes OUT_DIR/base.safetensors and one OUT_DIR/NAME.safetensors for each adapter

base: weights/unet/KEY, weights/text/KEY, input/*; metadata unet, text (JSON). Adapter: file/KEY is its file, output/unet and output/text what
the networks give with it; metadata `metadata` is the file's own, `adapter_config` PEFT's. Made with diffusers 0.42.1, peft 0.21.2,
transformers 5.23.0 and lycoris-lora 3.2.0.post2.
"""
import copy, json, math, pathlib, sys
import torch
from diffusers import UNet2DConditionModel
from diffusers.loaders import StableDiffusionXLLoraLoaderMixin as Loader
from lycoris.modules.locon import LoConModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from peft import LoHaConfig, LoKrConfig, LoraConfig, inject_adapter_in_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

torch.manual_seed(20)
out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
UNET = dict(in_channels=4, out_channels=4, norm_num_groups=2, cross_attention_dim=6, block_out_channels=[4, 8, 8], layers_per_block=2,
            transformer_layers_per_block=[1, 1, 2], attention_head_dim=2, down_block_types=["DownBlock2D"] + ["CrossAttnDownBlock2D"] * 2,
            up_block_types=["CrossAttnUpBlock2D"] * 2 + ["UpBlock2D"])
TEXT = dict(vocab_size=20, hidden_size=6, intermediate_size=10, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=7,
            hidden_act="quick_gelu", bos_token_id=18, eos_token_id=19, pad_token_id=19)


def rounded(model):
    """fp64 with values that fp32 holds."""
    for p in model.parameters():
        p.data = (p.data + 0.02 * torch.randn_like(p)).float().double()
    return model.double().eval().requires_grad_(False)


unet, text = rounded(UNet2DConditionModel(**UNET)), rounded(CLIPTextModel(CLIPTextConfig(**TEXT)))
inputs = {"sample": torch.randn(2, 4, 8, 12), "timestep": torch.tensor([3, 700]), "context": torch.randn(2, 5, 6),
          "ids": torch.randint(0, 18, (2, 7))}
prefixed = lambda key: key if key.startswith("text_model.") else "text_model." + key  # transformers 5.6 and later have none
save_file({**{f"weights/unet/{k}": v.float() for k, v in unet.state_dict().items()},
           **{f"weights/text/{prefixed(k)}": v.float() for k, v in text.state_dict().items() if "position_ids" not in k},
           **{f"input/{k}": v.clone() for k, v in inputs.items()}}, out / "base.safetensors",
          {"unet": json.dumps(UNET), "text": json.dumps(TEXT)})


def outputs(unet, text):
    with torch.no_grad():
        return {"output/unet": unet(inputs["sample"].double(), inputs["timestep"], inputs["context"].double()).sample.float(),
                "output/text": text(inputs["ids"]).last_hidden_state.float()}


BASE = outputs(unet, text)


def write(name, file, unet, text=text, adapter_config=None, **metadata):
    made = outputs(unet, text)
    for key, value in made.items():
        changed = (value - BASE[key]).norm() / BASE[key].norm()
        print(f"{name:28} {key:12} changes by {changed:.3f}")
        assert changed > 0.02 or key == "output/text"
    save_file({**{f"file/{k}": v.float().contiguous() for k, v in file.items()}, **made}, out / f"{name}.safetensors",
              {"metadata": json.dumps(metadata), **({"adapter_config": json.dumps(adapter_config)} if adapter_config else {})})


def drawn(*shape, scale=0.5):
    return (torch.randn(*shape, dtype=torch.float64) * scale).float().double()


def matrices(layer, rank):
    """A LoRA's down and up for a layer."""
    weight = layer.weight
    shape = (rank, *weight.shape[1:])
    return drawn(*shape, scale=1 / math.sqrt(math.prod(shape[1:]))), drawn(weight.shape[0], rank, *[1] * (weight.dim() - 2))


def loaded(file):
    """The networks with the file on them, by diffusers' own loader."""
    a, b = copy.deepcopy(unet), copy.deepcopy(text)
    state, alphas = Loader.lora_state_dict({k: v.clone() for k, v in file.items()}, unet_config=a.config)[:2]
    Loader.load_lora_into_unet(state, network_alphas=alphas, unet=a)
    if any(k.startswith("text_encoder.") for k in state):
        Loader.load_lora_into_text_encoder(state, network_alphas=alphas, text_encoder=b, prefix="text_encoder", lora_scale=1.0)
    return a.double(), b.double()


LAYERS, TEXTS = dict(unet.named_modules()), dict(text.named_modules())
ATTENTION = [k for k in LAYERS if k.endswith(("to_q", "to_k", "to_v", "to_out.0"))]
TEXT_ATTENTION = [k for k in TEXTS if k.endswith(("q_proj", "k_proj", "v_proj", "out_proj"))]
few = lambda keys, step: keys[::step]
under = lambda key: key.replace(".", "_")


def kohya(keys, texts, rename=lambda key: key, rank=4, alpha=3.0):
    file = {}
    for model, prefix, names in ((LAYERS, "lora_unet_", keys), (TEXTS, "lora_te_", texts)):
        for key in names:
            down, up = matrices(model[key], rank)
            name = prefix + under(rename(key) if model is LAYERS else prefixed(key))
            file |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up, f"{name}.alpha": torch.tensor(alpha)}
    return file


MLP = [k for k in LAYERS if k.endswith(("ff.net.0.proj", "ff.net.2", "proj_in", "proj_out"))]
write("kohya", file := kohya(few(ATTENTION, 3) + few(MLP, 5), TEXT_ATTENTION), *loaded(file))

# The original program's names of blocks, as kohya (and OneTrainer's newer form, with dots) writes them for SDXL: L = 2 layers a block.
SGM_PARTS = {"conv1": "in_layers.2", "conv2": "out_layers.3", "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection"}


def sgm(key):
    parts = key.split(".")
    if parts[0] == "mid_block":
        place = f"middle_block.{ {'resnets': [0, 2], 'attentions': [1]}[parts[1]][int(parts[2])] }"
        rest = parts[3:]
    else:
        block, kind, layer, rest = int(parts[1]), parts[2], int(parts[3]), parts[4:]
        if kind == "downsamplers":
            return f"input_blocks.{3 * block + 3}.0.op"
        if kind == "upsamplers":
            return f"output_blocks.{3 * block + 2}.2.conv"
        place = ("input_blocks." + str(3 * block + layer + 1)) if parts[0] == "down_blocks" else ("output_blocks." + str(3 * block + layer))
        place += {"resnets": ".0", "attentions": ".1"}[kind]
    return ".".join([place] + [SGM_PARTS.get(p, p) for p in rest])


RESNETS = [k for k in LAYERS if k.endswith(("conv1", "conv2", "time_emb_proj", "conv_shortcut"))]
SAMPLERS = [k for k in LAYERS if k.endswith(("downsamplers.0.conv", "upsamplers.0.conv"))]


def merged(changes):
    """A UNet with changed weights."""
    a = copy.deepcopy(unet)
    for key, weight in changes.items():
        a.get_submodule(key).weight.data = weight.double()
    return a


def plain(keys, file, name):
    """The UNet with the file's products in its weights."""
    changes = {}
    for key in keys:
        down, up, alpha = (file[name(key) + s] for s in (".lora_down.weight", ".lora_up.weight", ".alpha"))
        weight = LAYERS[key].weight
        changes[key] = weight + (up.flatten(1) @ down.flatten(1)).view_as(weight) * (alpha.item() / down.shape[0])
    return merged(changes)


KEYS = few(ATTENTION, 5) + few(RESNETS, 4) + SAMPLERS
file = kohya(KEYS, [], sgm)
write("kohya_original_blocks", file, plain(KEYS, file, lambda key: "lora_unet_" + under(sgm(key))))
dotted = {"unet." + sgm(key): "lora_unet_" + under(sgm(key)) for key in KEYS}
write("onetrainer", {a + s: file[b + s] for a, b in dotted.items() for s in (".lora_down.weight", ".lora_up.weight", ".alpha")},
      plain(KEYS, file, lambda key: "lora_unet_" + under(sgm(key))))
KEYS = few(RESNETS, 3) + SAMPLERS
file = kohya(KEYS, [])
write("kohya_convolutions", file, plain(KEYS, file, lambda key: "lora_unet_" + under(key)))

# diffusers: attention processors, then .lora. with lora_linear_layer, then PEFT's names.
pairs = {key: matrices(LAYERS[key], 3) for key in few(ATTENTION, 3)}
texts = {key: matrices(TEXTS[key], 3) for key in TEXT_ATTENTION}


def processor(key):
    attention, layer = key.split(".to_")
    return f"unet.{attention}.processor.to_{layer.removesuffix('.0')}_lora"


def old_text(key):
    attention, layer = prefixed(key).rsplit(".", 1)
    return f"text_encoder.{attention}.to_{layer.removesuffix('_proj')}_lora"


def two(name, matrices, down, up):
    return {name + down: matrices[0], name + up: matrices[1]}


def files(unet_name, text_name, unet_suffixes, text_suffixes):
    return {**{k: v for key, m in pairs.items() for k, v in two(unet_name(key), m, *unet_suffixes).items()},
            **{k: v for key, m in texts.items() for k, v in two(text_name(key), m, *text_suffixes).items()}}


DOTS, AB = (".down.weight", ".up.weight"), (".lora_A.weight", ".lora_B.weight")
write("diffusers_processors", file := files(processor, old_text, DOTS, DOTS), *loaded(file))
named, text_named = (lambda key: f"unet.{key}"), (lambda key: f"text_encoder.{prefixed(key)}")
write("diffusers_lora", file := files(named, text_named, (".lora.down.weight", ".lora.up.weight"),
                                      (".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight")), *loaded(file))
write("diffusers_peft", file := files(named, text_named, AB, AB), *loaded(file))


def peft(name, config, keys):
    """A file of peft itself, with random values in all that it trains."""
    a = inject_adapter_in_model(config, copy.deepcopy(unet), "default")
    for key, p in a.named_parameters():
        if any(part in key for part in ("lora_", "hada_", "lokr_")):
            p.data = (p * (1 + 0.3 * torch.rand_like(p))).float().double() if "magnitude" in key else \
                drawn(*p.shape, scale=0.5 if "lora_B" in key else 1 / math.sqrt(max(2, math.prod(p.shape[1:]))))
    state = get_peft_model_state_dict(a, adapter_name="default")
    described = {k: v for k, v in config.to_dict().items() if isinstance(v, (bool, int, float, str, dict)) and k != "runtime_config"}
    write(name, {"base_model.model." + k: v for k, v in state.items()}, a.double(), adapter_config=described)


CONVS = few(RESNETS, 4)
peft("peft_patterns", LoraConfig(r=4, lora_alpha=6, target_modules=few(ATTENTION, 4) + CONVS, rank_pattern={"attn2.to_k": 2, CONVS[0]: 3},
                                 alpha_pattern={"attn2.to_k": 5, CONVS[1]: 1}), None)
peft("peft_rslora", LoraConfig(r=4, lora_alpha=3, use_rslora=True, target_modules=few(ATTENTION, 4)), None)
peft("peft_dora", LoraConfig(r=4, lora_alpha=6, use_dora=True, target_modules=few(ATTENTION, 4) + CONVS), None)
peft("peft_loha", LoHaConfig(r=3, alpha=4, target_modules=few(ATTENTION, 4) + CONVS, use_effective_conv2d=True), None)
peft("peft_lokr", LoKrConfig(r=2, alpha=3, target_modules=few(ATTENTION, 4) + CONVS, decompose_both=True, use_effective_conv2d=True), None)


def lycoris(name, kind, keys, **options):
    """A file of lycoris: every parameter random, the weights those it merges."""
    file, changes = {}, {}
    for key in keys:
        module = kind("lora_unet_" + under(key), LAYERS[key], 1.0, alpha=3.0, **options).double()
        with torch.no_grad():
            for part, p in module.named_parameters():
                p.data = (p * (1 + 0.3 * torch.rand_like(p))).float().double() if "dora" in part else \
                    drawn(*p.shape, scale=1 / math.sqrt(max(2, math.prod(p.shape[1:])))) * (2 if "up" in part else 1)
            shape = LAYERS[key].weight.shape  # LoKr: as its forward has it, for its get_diff_weight applies alpha twice
            change = module.get_weight(shape) if kind is LokrModule else module.get_diff_weight(shape=shape)[0]
            changes[key] = module.apply_weight_decompose(module.org_weight + change) if module.wd else module.org_weight + change
            file |= {f"lora_unet_{under(key)}.{k}": v.detach().clone().double() for k, v in module.custom_state_dict().items()}
    write(name, file, merged(changes))


SOME = few(ATTENTION, 6) + few(RESNETS, 5) + SAMPLERS[:2]
WINDOWS = [k for k in RESNETS if k.endswith(("conv1", "conv2"))][::3] + SAMPLERS[1:]
for decomposed in ({}, {"weight_decompose": True}, {"weight_decompose": True, "wd_on_out": False}):
    suffix = "" if not decomposed else "_dora" if len(decomposed) == 1 else "_dora_columns"
    lycoris("locon" + suffix, LoConModule, SOME, lora_dim=3, **decomposed)
    lycoris("loha" + suffix, LohaModule, SOME, lora_dim=3, **decomposed)
    lycoris("lokr" + suffix, LokrModule, SOME, lora_dim=1, **decomposed)
lycoris("locon_tucker", LoConModule, WINDOWS, lora_dim=3, use_tucker=True)
lycoris("locon_tucker_dora", LoConModule, WINDOWS, lora_dim=3, use_tucker=True, weight_decompose=True)
lycoris("loha_tucker", LohaModule, WINDOWS, lora_dim=3, use_tucker=True)
lycoris("lokr_tucker", LokrModule, WINDOWS, lora_dim=1, use_tucker=True, factor=2)
lycoris("lokr_both", LokrModule, SOME, lora_dim=1, decompose_both=True, factor=4)
lycoris("lokr_full", LokrModule, SOME, full_matrix=True)
