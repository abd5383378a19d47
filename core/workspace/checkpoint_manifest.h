// The manifest of a checkpoint: what makes its files valid together. Written last, by its rename;
// shared by training and by all readers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/api/result.h"
#include "core/api/train_options.h"

namespace likeness::workspace {

// Names inside a run folder (design: run.yaml, metrics.csv, samples/, class-images/, cache/,
// checkpoints/000320/...).
inline constexpr std::string_view kRunFile = "run.yaml";
inline constexpr std::string_view kInputsFile = "inputs.json";
inline constexpr std::string_view kMetricsFile = "metrics.csv";
inline constexpr std::string_view kSamplesFolder = "samples";
inline constexpr std::string_view kClassImagesFolder = "class-images";
inline constexpr std::string_view kCacheFolder = "cache";
inline constexpr std::string_view kCheckpointsFolder = "checkpoints";
// Names inside a checkpoint folder; a file that the method does not need is absent.
inline constexpr std::string_view kManifestFile = "manifest.json";
inline constexpr std::string_view kUnetFile = "unet.safetensors";
inline constexpr std::string_view kTextEncoderFile = "text_encoder.safetensors";
inline constexpr std::string_view kTextEncoder2File = "text_encoder_2.safetensors";  ///< SDXL
inline constexpr std::string_view kAdapterFile = "adapter.safetensors";
inline constexpr std::string_view kOptimizerFile = "optimizer.safetensors";

/// One file of a checkpoint, as it must be found again.
struct CheckpointFile {
  std::string name;  ///< without folder
  std::uint64_t bytes = 0;
  std::string sha256;  ///< hex
  bool operator==(const CheckpointFile&) const = default;
};

/// manifest.json
struct CheckpointManifest {
  std::int64_t step = 0;                 ///< optimizer steps done
  api::Method kind = api::Method::Full;  ///< "full", "lora", ...
  double alpha = 0;                      ///< of a LoRA, never 0 there; 0 of a full checkpoint
  bool finished = false;                 ///< the last one of a run that reached its planned steps
  std::optional<double> probeSubject, probeClass;  ///< latest probe losses at or before this step
  std::string created;                             ///< UTC, "2026-05-01T12:00:00Z"; for people only
  std::vector<CheckpointFile> files;
  bool operator==(const CheckpointManifest&) const = default;
};

/// "embeddings", "embeddings_2": the part that holds the new word of a subject of the run, numbered
/// from 0; its file ends in .safetensors.
std::string wordPart(std::size_t subject);

/// RUN/checkpoints/000320
std::filesystem::path checkpointFolder(const std::filesystem::path& runFolder, std::int64_t step);

std::string toJson(const CheckpointManifest& manifest);
/// Strict: every key present and of its type, plain file names. Errors: DamagedCheckpoint naming
/// `folder`.
api::Result<CheckpointManifest> manifestFromJson(const std::string& json,
                                                 const std::filesystem::path& folder);

/// Writes manifest.json atomically: the checkpoint is valid from then on. Errors: as
/// base::writeFile.
api::Result<void> writeManifest(const std::filesystem::path& folder,
                                const CheckpointManifest& manifest);
/// Reads manifest.json and compares each file's size; with `hashes` also its SHA-256 (reads
/// everything). Errors: NoCheckpoint (no manifest), DamagedCheckpoint.
api::Result<CheckpointManifest> readManifest(const std::filesystem::path& folder,
                                             bool hashes = false);

}  // namespace likeness::workspace
