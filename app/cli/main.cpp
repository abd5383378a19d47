// likeness-cli: the whole product without a window. See --help; exit codes and --json are what
// scripts rely on.
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>

#include "app/cli/command.h"
#include "core/api/result.h"
#include "core/base/file_system.h"
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

/// The sentence on standard error, the object on standard output when asked; never a backtrace.
int report(const Error& error, bool json) {
  std::fprintf(stderr, "Error: %s\n", message(error).c_str());
  if (const std::string advice = hint(error); !advice.empty())
    std::fprintf(stderr, "%s\n", advice.c_str());
  if (json) {
    nlohmann::ordered_json context = nlohmann::ordered_json::object();
    for (const auto& [key, value] : error.context) context[key] = value;
    const nlohmann::ordered_json line = {{"error",
                                          {{"code", name(error.code)},
                                           {"message", message(error)},
                                           {"context", context},
                                           {"hint", hint(error)}}}};
    // File names need not be UTF-8, JSON must be.
    std::printf(
        "%s\n",
        line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  }
  return exitCode(error.code);
}

int report(const CommandResult& result, bool json) {
  if (json)
    std::printf(
        "%s\n",
        result.json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  else
    std::fputs(result.text.c_str(), stdout);
  return result.stopped ? kStopped : 0;
}

/// CLI11's words as the middle of a sentence.
std::string reasonOf(const CLI::ParseError& error) {
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
                                         addExport(root),
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
    return report(Error{ErrorCode::BadUsage, {{"reason", reasonOf(error)}}, {}}, json);
  }
  const auto workspace = workspace::makeWorkspace(base::findResources());
  for (const Command& command : commands) {
    if (!command.app->parsed()) continue;
    const auto result = command.run(*workspace);
    return result ? report(*result, json) : report(result.error(), json);
  }
  return 0;
}

}  // namespace
}  // namespace likeness::cli

int main(int argc, char** argv) {
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
