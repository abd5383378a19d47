// likeness-cli: the whole product without a window. See --help; exit codes and --json are what
// scripts rely on.
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>

#include "app/cli/command.h"
#include "app/engine_loader.h"
#include "core/api/result.h"
#include "core/base/file_system.h"
#include "core/config/config.h"
#include "core/workspace/workspace.h"
#include "likeness_version.h"

namespace likeness::cli {
namespace {

using namespace api;

constexpr int kStopped = 130;

constexpr const char* kFooter = R"(Examples
  likeness-cli train --photos my-dog/ --class dog --out runs/bo
  likeness-cli generate --model runs/bo --prompt "a photo of {subject} on the beach" --out pictures
  likeness-cli export runs/bo --format diffusers --out bo-model
`likeness-cli COMMAND --help` explains a command.

Exit codes: 0 done, 1 internal error, 2 wrong usage, 3 wrong input, 4 not enough memory, disk or device, 130 stopped by Ctrl-C.
With --json the last line of standard output is one JSON object: the result, or {"error": {code, message, context, hint}}.
Progress and messages go to standard error.)";

/// The error with the flag that a person typed in place of the option's key: --steps for
/// training.steps. Keys of a file stay as they stand there.
Error inFlags(Error error, const CLI::App& command) {
  if (!error.value("file").empty()) return error;
  for (auto& [name, key] : error.context) {
    const std::string flag = "--" + kebabCase(std::string_view(key).substr(key.rfind('.') + 1));
    if (name == "key" && command.get_option_no_throw(flag)) key = flag;
  }
  return error;
}

/// The sentence on standard error, the object on standard output when asked; never a backtrace.
int report(const Error& error, bool json, const CLI::App* command = nullptr) {
  const Error shown = command ? inFlags(error, *command) : error;
  std::fprintf(stderr, "Error: %s\n", message(shown).c_str());
  if (const std::string advice = hint(shown); !advice.empty())
    std::fprintf(stderr, "%s\n", advice.c_str());
  if (json) {
    nlohmann::ordered_json context = nlohmann::ordered_json::object();
    for (const auto& [key, value] : error.context) context[key] = value;
    const nlohmann::ordered_json line = {{"error",
                                          {{"code", name(error.code)},
                                           {"message", message(shown)},
                                           {"context", context},
                                           {"hint", hint(shown)}}}};
    // File names need not be UTF-8, JSON must be.
    std::printf(
        "%s\n",
        line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  }
  return exitCode(error.code);
}

int report(const CommandResult& result, bool json) {
  if (json && !result.json.empty())
    std::printf(
        "%s\n",
        result.json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  else
    std::fputs(result.text.c_str(), stdout);
  if (result.exitCode) return *result.exitCode;
  return result.stopped ? kStopped : 0;
}

std::string nearest(const std::string& name, const std::vector<std::string>& known) {
  const std::string found = config::nearestName(name, known);
  return found.empty() ? "" : "; perhaps " + found + " is meant";
}

/// What is wrong with the command as the middle of a sentence; CLI11's words where they do.
std::string reasonOf(const CLI::App& root, const CLI::ParseError& error) {
  const std::vector<std::string> rest = root.remaining(true);
  const auto commands = root.get_subcommands();
  if (commands.empty()) {
    std::vector<std::string> names;
    std::string list;
    for (const CLI::App* command : root.get_subcommands([](const CLI::App*) { return true; })) {
      names.push_back(command->get_name());
      list += (list.empty() ? "" : ", ") + names.back();
    }
    if (rest.empty() || rest.front().starts_with('-')) return "it needs one of " + list;
    return "there is no command " + rest.front() + nearest(rest.front(), names);
  }
  if (!rest.empty()) {
    if (!rest.front().starts_with('-')) return rest.front() + " is one argument too many";
    const std::string flag = rest.front().substr(0, rest.front().find('='));
    std::vector<std::string> flags;
    for (const CLI::Option* option : commands.front()->get_options())
      for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
    return "there is no option " + flag + nearest(flag, flags);
  }
  std::string reason = error.what();
  while (!reason.empty() && (reason.back() == '\n' || reason.back() == '.' || reason.back() == ' '))
    reason.pop_back();
  return reason;
}

bool wantsJson(int argc, char** argv) {
  for (int i = 1; i < argc; ++i)
    if (std::strcmp(argv[i], "--json") == 0) return true;
  return false;
}

/// Without CLI11's mark for the second name of a switch, "--no-flip{false}".
class Formatter : public CLI::Formatter {
  std::string make_option_name(const CLI::Option* option, bool positional) const override {
    std::string name = CLI::Formatter::make_option_name(option, positional);
    if (const auto mark = name.find("{false}"); mark != std::string::npos) name.erase(mark, 7);
    return name;
  }
};

int run(int argc, char** argv) {
  CLI::App root("Personalizes an image model from a few photos and makes pictures with it.",
                "likeness-cli");
  root.footer(kFooter);
  root.set_version_flag("--version", std::string("likeness-cli ") + kVersion);
  root.require_subcommand(1);
  root.option_defaults()->take_last();  // so that a script can append what it wants otherwise
  root.formatter(std::make_shared<Formatter>());
  root.get_formatter()->column_width(38);
  const bool json = wantsJson(argc, argv);
  const std::vector<Command> commands = {addTrain(root),
                                         addGenerate(root),
                                         addClassImages(root),
                                         addCompare(root),
                                         addExport(root),
                                         addConvert(root),
                                         addMerge(root),
                                         addExtract(root),
                                         addReport(root),
                                         addOptions(root),
                                         addInspect(root),
                                         addDevices(root),
                                         addBench(root)};
  const std::string help = "Print the result as one JSON line, last on standard output";
  for (const Command& command : commands) command.app->add_flag("--json", help);
  try {
    root.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    return root.exit(success);
  } catch (const CLI::ParseError& error) {
    return report(Error{ErrorCode::BadUsage, {{"reason", reasonOf(root, error)}}, {}}, json);
  }
  const auto workspace = workspace::makeWorkspace(base::findResources());
  for (const Command& command : commands) {
    if (!command.app->parsed()) continue;
    const auto result = command.run(*workspace);
    return result ? report(*result, json) : report(result.error(), json, command.app);
  }
  return 0;
}

}  // namespace
}  // namespace likeness::cli

int main(int argc, char** argv) {
  likeness::app::spinBriefly(argv);
  std::signal(
      SIGXFSZ,
      SIG_IGN);  // a file-size limit is a failed write with a sentence, not the end of the program
  try {
    return likeness::cli::run(argc, argv);
  } catch (const std::exception& error) {
    // Only a bug comes here: jobs have their own net in the engine.
    const likeness::api::Error internal{likeness::api::ErrorCode::Internal, {}, error.what()};
    return likeness::cli::report(internal, likeness::cli::wantsJson(argc, argv));
  }
}
