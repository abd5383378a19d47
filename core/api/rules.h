// The rules that requests share; for the two files that hold validate().
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/api/requests.h"

namespace likeness::api::rules {

using Errors = std::vector<FieldError>;

bool blank(std::string_view text);
/// At most 10 significant digits.
std::string number(double value);

// Each appends one error of the field at `path`.
void outOfRange(
    Errors& errors, std::string path, std::string_view label, std::string value, std::string range);
void missing(Errors& errors, std::string path, std::string_view label, std::string_view fix);
void contradiction(Errors& errors, std::string path, std::string reason, std::string_view fix);

/// Ranges of every numeric row of one struct.
template <class S>
void checkRanges(Errors& errors, const std::string& prefix, const S& object) {
  for (const Field<S>& row : fields<S>()) {
    const FieldValue value = row.get(object);
    double numeric = 0;
    if (const auto* integer = std::get_if<std::int64_t>(&value))
      numeric = static_cast<double>(*integer);
    else if (const auto* real = std::get_if<double>(&value))
      numeric = *real;
    else
      continue;
    // Written so that NaN fails.
    if (numeric >= row.min && numeric <= row.max) continue;
    outOfRange(errors, prefix + std::string(row.key), row.label, number(numeric), rangeText(row));
  }
}
template <class R>
Errors sectionRanges(const R& request) {
  Errors errors;
  forEachSection(request, [&](const char* section, const auto& options) {
    checkRanges(errors, std::string(section) + ".", options);
  });
  return errors;
}

/// `prefix` leads to the keys: "sampling.", or "prior.class" whose keys go on with a capital.
void checkSampling(Errors& errors, const SamplingOptions& sampling, const std::string& prefix);
void checkModel(Errors& errors,
                const ModelRef& model,
                const std::string& path,
                std::string_view label);
void checkCheckpoint(Errors& errors, const std::string& checkpoint, const std::string& path);
void checkMultipleOf8(Errors& errors,
                      std::int64_t value,
                      const std::string& path,
                      std::string_view label);
void checkDevice(Errors& errors, const ComputeOptions& compute);
/// `prefix` leads to the subject's keys: "subject.", "furtherSubjects[0].subject."
void checkClassWord(Errors& errors, const SubjectOptions& subject, const std::string& prefix);
void checkClassPrompt(Errors& errors, const SubjectOptions& subject, const std::string& prefix);

}  // namespace likeness::api::rules
