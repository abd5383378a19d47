// What every subcommand looks like: it adds its flags, then turns them into one result.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "core/api/workspace.h"

namespace likeness::cli {

/// What a command leaves for standard output: text for a person, or the same facts as one JSON
/// line.
struct CommandResult {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  std::string text;
  bool stopped = false;  ///< by Ctrl-C: exit code 130
  /// In place of 0: of another process, which has spoken already, or of an answer that is no.
  std::optional<int> exitCode{};
};

using Run = std::function<api::Result<CommandResult>(api::Workspace&)>;

/// A subcommand with its flags bound; `run` is called after parsing.
struct Command {
  CLI::App* app = nullptr;
  Run run;
};

Command addTrain(CLI::App& root);
Command addGenerate(CLI::App& root);
Command addClassImages(CLI::App& root);
Command addCompare(CLI::App& root);
Command addExport(CLI::App& root);
Command addConvert(CLI::App& root);
Command addMerge(CLI::App& root);
Command addExtract(CLI::App& root);
Command addReport(CLI::App& root);
Command addOptions(CLI::App& root);
Command addInspect(CLI::App& root);
Command addDevices(CLI::App& root);
Command addBench(CLI::App& root);

}  // namespace likeness::cli
