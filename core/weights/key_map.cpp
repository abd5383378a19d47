// Module names as tables, and the function that applies them.
#include "core/weights/key_map.h"

#include <algorithm>
#include <map>
#include <string_view>

namespace likeness::weights {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

constexpr Pair unetModules[] = {
    {"conv_in", "input_blocks.0.0"},
    {"time_embedding.linear_1", "time_embed.0"},
    {"time_embedding.linear_2", "time_embed.2"},
    {"add_embedding.linear_1", "label_emb.0.0"},
    {"add_embedding.linear_2", "label_emb.0.2"},
    {"mid_block.resnets.0", "middle_block.0"},
    {"mid_block.attentions.0", "middle_block.1"},
    {"mid_block.resnets.1", "middle_block.2"},
    {"conv_norm_out", "out.0"},
    {"conv_out", "out.2"},
};
constexpr Pair unetParts[] = {
    {"norm1", "in_layers.0"},
    {"conv1", "in_layers.2"},
    {"time_emb_proj", "emb_layers.1"},
    {"norm2", "out_layers.0"},
    {"conv2", "out_layers.3"},
    {"conv_shortcut", "skip_connection"},
};
constexpr Pair vaeModules[] = {
    {"encoder.mid_block.resnets.0", "encoder.mid.block_1"},
    {"encoder.mid_block.resnets.1", "encoder.mid.block_2"},
    {"encoder.mid_block.attentions.0", "encoder.mid.attn_1"},
    {"encoder.conv_norm_out", "encoder.norm_out"},
    {"decoder.mid_block.resnets.0", "decoder.mid.block_1"},
    {"decoder.mid_block.resnets.1", "decoder.mid.block_2"},
    {"decoder.mid_block.attentions.0", "decoder.mid.attn_1"},
    {"decoder.conv_norm_out", "decoder.norm_out"},
};
constexpr Pair vaeParts[] = {
    {"conv_shortcut", "nin_shortcut"},
    {"group_norm", "norm"},
    {"to_q", "q"},
    {"to_k", "k"},
    {"to_v", "v"},
    {"to_out.0", "proj_out"},
};
constexpr Pair openClipModules[] = {
    {"text_model.embeddings.token_embedding", "token_embedding"},
    {"text_model.embeddings.position_embedding.weight", "positional_embedding"},
    {"text_model.final_layer_norm", "ln_final"},
    {"text_projection.weight", "text_projection"},
};
constexpr Pair openClipParts[] = {
    {"layer_norm1", "ln_1"},
    {"layer_norm2", "ln_2"},
    {"self_attn.q_proj.weight", "attn.in_proj_weight"},
    {"self_attn.k_proj.weight", "attn.in_proj_weight"},
    {"self_attn.v_proj.weight", "attn.in_proj_weight"},
    {"self_attn.q_proj.bias", "attn.in_proj_bias"},
    {"self_attn.k_proj.bias", "attn.in_proj_bias"},
    {"self_attn.v_proj.bias", "attn.in_proj_bias"},
    {"self_attn.out_proj", "attn.out_proj"},
    {"mlp.fc1", "mlp.c_fc"},
    {"mlp.fc2", "mlp.c_proj"},
};

/// A module of one naming -> its name in the other. No module contains another.
using Modules = std::map<std::string, std::string, std::less<>>;

bool isModule(std::string_view key, std::string_view module) {
  return key == module || (key.starts_with(module) && key[module.size()] == '.');
}

/// Names outside the tables are the same in both namings.
std::string fileName(std::string_view key, const Modules& modules, std::span<const Pair> parts) {
  auto module = modules.upper_bound(key);
  if (module == modules.begin() || !isModule(key, std::prev(module)->first))
    return std::string(key);
  --module;
  std::string_view rest = key.substr(module->first.size());
  std::string name = module->second;
  if (rest.empty()) return name;
  rest.remove_prefix(1);
  for (const auto& [ours, theirs] : parts)
    if (isModule(rest, ours))
      return name.append(".").append(theirs).append(rest.substr(ours.size()));
  return name.append(".").append(rest);
}

Modules table(std::span<const Pair> pairs) { return {pairs.begin(), pairs.end()}; }

std::string numbered(std::string_view before,
                     std::size_t i,
                     std::string_view between,
                     std::size_t j) {
  return std::string(before) + std::to_string(i) + std::string(between) + std::to_string(j);
}

/// The blocks of a UNet stand in one row in the file, samplers among them.
Modules unetTable(const UNet2DConditionConfig& c) {
  Modules modules = table(unetModules);
  const std::size_t levels = c.blockOutChannels.size();
  const auto layers = [&](std::size_t level) {
    return static_cast<std::size_t>(ofBlock(c.layersPerBlock, level));
  };
  std::size_t row = 1;
  for (std::size_t b = 0; b < levels; ++b) {
    const auto add = [&](const char* part, std::size_t l, const char* place) {
      modules.emplace(numbered("down_blocks.", b, part, l),
                      "input_blocks." + std::to_string(row) + place);
    };
    for (std::size_t l = 0; l < layers(b); ++l, ++row) {
      add(".resnets.", l, ".0");
      add(".attentions.", l, ".1");
    }
    if (b + 1 < levels) add(".downsamplers.", 0, ".0"), ++row;
  }
  row = 0;
  for (std::size_t b = 0; b < levels; ++b) {
    const auto add = [&](const char* part, std::size_t l, const char* place) {
      modules.emplace(numbered("up_blocks.", b, part, l),
                      "output_blocks." + std::to_string(row) + place);
    };
    for (std::size_t l = 0; l <= layers(levels - 1 - b); ++l, ++row) {
      add(".resnets.", l, ".0");
      add(".attentions.", l, ".1");
    }
    --row;
    // The sampler follows an attention only where there is one.
    if (b + 1 < levels)
      add(".upsamplers.", 0, c.upBlockTypes[b] == "CrossAttnUpBlock2D" ? ".2" : ".1");
    ++row;
  }
  return modules;
}

Modules vaeTable(const AutoencoderKLConfig& c) {
  Modules modules = table(vaeModules);
  const std::size_t levels = c.blockOutChannels.size();
  for (std::size_t i = 0; i < levels; ++i) {
    // The file counts the decoder's blocks from the picture's side.
    const std::string down = "encoder.down_blocks." + std::to_string(i),
                      up = "decoder.up_blocks." + std::to_string(levels - 1 - i),
                      index = std::to_string(i);
    for (std::size_t j = 0; j <= static_cast<std::size_t>(c.layersPerBlock); ++j) {
      const std::string resnet = ".resnets." + std::to_string(j),
                        block = ".block." + std::to_string(j);
      modules.emplace(down + resnet, "encoder.down." + index + block);
      modules.emplace(up + resnet, "decoder.up." + index + block);
    }
    modules.emplace(down + ".downsamplers.0", "encoder.down." + index + ".downsample");
    modules.emplace(up + ".upsamplers.0", "decoder.up." + index + ".upsample");
  }
  return modules;
}

Modules openClipTable(const ClipTextConfig& c) {
  Modules modules = table(openClipModules);
  for (std::int64_t i = 0; i < c.numHiddenLayers; ++i)
    modules.emplace("text_model.encoder.layers." + std::to_string(i),
                    "transformer.resblocks." + std::to_string(i));
  return modules;
}

/// Same shapes; the callers change those that differ.
KeyMap mapped(const TensorShapes& tensors,
              const Modules& modules,
              std::span<const Pair> parts,
              const std::string& prefix) {
  KeyMap map;
  for (const auto& [key, shape] : tensors)
    map.push_back({key, shape, prefix + fileName(key, modules, parts), shape});
  return map;
}

}  // namespace

KeyMap singleFileMap(const UNet2DConditionConfig& config, const std::string& prefix) {
  KeyMap map = mapped(networkTensors(config), unetTable(config), unetParts, prefix);
  // A downsampler's convolution is called op there; an upsampler's has its own name in both.
  for (MappedTensor& tensor : map)
    if (const auto at = tensor.key.find(".downsamplers.0.conv"); at != std::string::npos)
      tensor.fileKey.replace(tensor.fileKey.rfind(".conv"), 5, ".op");
  return map;
}

KeyMap singleFileMap(const AutoencoderKLConfig& config, const std::string& prefix) {
  KeyMap map = mapped(networkTensors(config), vaeTable(config), vaeParts, prefix);
  for (MappedTensor& tensor : map)  // attention by 1x1 convolutions
    if (tensor.key.find(".attentions.") != std::string::npos && tensor.shape.size() == 2)
      tensor.fileShape.insert(tensor.fileShape.end(), 2, 1);
  return map;
}

KeyMap singleFileMap(const ClipTextConfig& config, TextNames names, const std::string& prefix) {
  if (names == TextNames::Transformers) return mapped(networkTensors(config), {}, {}, prefix);
  KeyMap map = mapped(networkTensors(config), openClipTable(config), openClipParts, prefix);
  for (MappedTensor& tensor : map) {
    for (const auto& [module, third] :
         {std::pair(".q_proj.", 0), std::pair(".k_proj.", 1), std::pair(".v_proj.", 2)})
      if (tensor.key.find(module) != std::string::npos) {
        tensor.third = third;
        tensor.fileShape.front() *= 3;
      }
    if (tensor.key == "text_projection.weight") {
      tensor.transposed = true;
      std::ranges::reverse(tensor.fileShape);
    }
  }
  return map;
}

KeyMap identityMap(const TensorShapes& tensors) { return mapped(tensors, {}, {}, ""); }

std::vector<std::byte> transposed(std::span<const std::byte> bytes,
                                  std::int64_t rows,
                                  std::int64_t columns,
                                  std::size_t elementBytes) {
  std::vector<std::byte> out(bytes.size());
  const auto height = static_cast<std::size_t>(rows), width = static_cast<std::size_t>(columns);
  for (std::size_t r = 0; r < height; ++r)
    for (std::size_t c = 0; c < width; ++c)
      std::ranges::copy(bytes.subspan((r * width + c) * elementBytes, elementBytes),
                        out.begin() + static_cast<std::ptrdiff_t>((c * height + r) * elementBytes));
  return out;
}

std::vector<TensorSource> toFileLayout(const KeyMap& map, std::vector<TensorSource> tensors) {
  std::map<std::string, TensorSource> byKey, byFileKey;
  for (TensorSource& tensor : tensors) byKey.emplace(tensor.name, std::move(tensor));
  // Parts of a joined tensor have to come in the order of their thirds.
  KeyMap ordered = map;
  std::ranges::stable_sort(ordered, {}, &MappedTensor::third);
  for (const MappedTensor& m : ordered) {
    TensorSource source = std::move(byKey.at(m.key));
    if (m.transposed)
      source.produce = [inner = std::move(source.produce),
                        shape = m.shape,
                        size = bits(source.dtype) / 8](const auto& sink) -> api::Result<void> {
        std::vector<std::byte> all;
        const auto collect = [&all](std::span<const std::byte> piece) -> api::Result<void> {
          all.insert(all.end(), piece.begin(), piece.end());
          return {};
        };
        if (auto done = inner(collect); !done) return done;
        return sink(transposed(all, shape[0], shape[1], size));
      };
    source.name = m.fileKey;
    source.shape = m.fileShape;
    const auto [place, first] = byFileKey.try_emplace(m.fileKey);
    if (first) {
      place->second = std::move(source);
    } else {
      place->second.produce =
          [before = std::move(place->second.produce),
           next = std::move(source.produce)](const auto& sink) -> api::Result<void> {
        if (auto done = before(sink); !done) return done;
        return next(sink);
      };
    }
  }
  std::vector<TensorSource> out;
  for (auto& [key, source] : byFileKey) out.push_back(std::move(source));
  return out;
}

}  // namespace likeness::weights
