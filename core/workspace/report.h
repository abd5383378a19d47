// A run as one page: curves, samples, figures, configuration. No torch, so it is made again for any
// run at any time.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/api/result.h"

namespace likeness::workspace {

inline constexpr std::string_view kReportFile = "report.html";

/// Writes RUN/report.html from what lies in the folder: self-contained (pictures embedded, no
/// script, nothing loaded), light or dark as the system is. Texts of the run are escaped. What is
/// missing (no samples, no probes) is left out. Errors: those of readRunRequest, FileUnwritable,
/// DiskFull.
api::Result<void> writeReport(const std::filesystem::path& runFolder);

/// RUN/warnings.txt, a sentence a line; a missing file has none.
std::vector<std::string> readWarnings(const std::filesystem::path& runFolder);
/// Errors: as base::writeFile. Nothing is written when there is nothing to say.
api::Result<void> writeWarnings(const std::filesystem::path& runFolder,
                                const std::vector<std::string>& warnings);

}  // namespace likeness::workspace
