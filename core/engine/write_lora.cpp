#include "core/engine/write_lora.h"

#include "core/base/clock.h"
#include "core/base/file_system.h"
#include "core/base/machine.h"
#include "core/tensor/device.h"

namespace likeness::engine {

using namespace api;
using base::Clock;
using base::secondsSince;

Result<Figures> writeLora(const nn::Lora& lora,
                          ModelForm form,
                          const std::filesystem::path& out,
                          std::optional<FileDType> dtype,
                          base::Reporter& reporter) {
  reporter.stage(Stage::Export);
  const auto start = Clock::now();
  if (out.has_parent_path())
    if (auto made = base::makeFolder(out.parent_path()); !made) return fail(made.error());
  const auto file =
      nn::saveLora(lora,
                   form == ModelForm::KohyaLora ? nn::LoraForm::Kohya : nn::LoraForm::Peft,
                   out,
                   dtype ? std::optional(tensor::scalarType(*dtype)) : std::nullopt);
  if (!file) return fail(file.error());
  const double writeSeconds = secondsSince(start);
  reporter.stage(Stage::Verify);
  const auto verifyStart = Clock::now();
  const auto written = nn::readLora(out);
  const double difference = written ? nn::loraDifference(lora, *written) : 1;
  // Rounding of two factors to bf16 is under a hundredth; a wrong layer or alpha is far above.
  constexpr double limit = 0.02;
  if (!(difference < limit)) {
    if (auto removed = base::removeAll(out); !removed) return fail(removed.error());
    if (!written) return fail(written.error());
    return fail(ErrorCode::Internal,
                {},
                "the written adapter changes weights otherwise, by " + std::to_string(difference));
  }
  return Figures{{"modules", static_cast<std::int64_t>(lora.modules.size())},
                 {"bytes", static_cast<std::int64_t>(file->bytes)},
                 {"difference", difference},
                 {"write_s", writeSeconds},
                 {"verify_s", secondsSince(verifyStart)},
                 {"peak_rss_mib", base::peakRssMiB()}};
}

}  // namespace likeness::engine
