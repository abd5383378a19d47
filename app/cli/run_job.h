// Runs one job on the engine: progress on standard error, Ctrl-C stops it safely.
#pragma once

#include "app/cli/command.h"
#include "core/api/requests.h"

namespace likeness::cli {

/// The first Ctrl-C (or SIGTERM) stops after the step under way and keeps a checkpoint, the second
/// at once, a third ends the program. The result's JSON holds `outcome`, the job's figures and
/// `artifacts`; its text is left to the command.
api::Result<CommandResult> runJob(api::Request request, api::Workspace& workspace);
/// The same on an engine that is there; `onPicture` is called on its compute thread.
api::Result<CommandResult> runJob(api::Engine& engine,
                                  api::Request request,
                                  std::function<void(const api::PictureReady&)> onPicture = {});

/// The engine as the command line wants it: normal priority, log file, resources of the workspace.
api::Result<std::unique_ptr<api::Engine>> openEngine(api::Workspace& workspace);

/// "0.0713", "1,024"-free plain number of a figure in a result, or "?" when the job did not report
/// it.
std::string figure(const CommandResult& result, const char* name);

}  // namespace likeness::cli
