// Prints the texts of core/api as a source file for lupdate: core knows no Qt, so its English
// stands in tables there.
#include <cstdio>
#include <set>
#include <string>

#include "core/api/events.h"
#include "core/api/requests.h"

namespace {

using namespace likeness;

void print(const char* context, std::string_view text) {
  static std::set<std::string> seen;
  if (text.empty() || !seen.insert(context + std::string(text)).second) return;
  std::string quoted;
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  std::printf("QT_TRANSLATE_NOOP(\"%s\", \"%s\"),\n", context, quoted.c_str());
}

}  // namespace

int main() {
  std::puts("const char* const texts[] = {");
  for (const api::ErrorCode code : api::allErrorCodes()) {
    print("Errors", api::templates(code).first);
    print("Errors", api::templates(code).second);
  }
  for (const auto state :
       {api::AdviceState::Learning, api::AdviceState::Enough, api::AdviceState::Drifting})
    print("Advice", api::adviceTemplate(state));
  const api::TrainRequest request;
  api::forEachSection(request, [](const char*, const auto& section) {
    for (const auto& field : api::fields<std::remove_cvref_t<decltype(section)>>()) {
      print("Options", field.label);
      print("Options", field.help);
      print("Options", field.unit);
      for (const std::string_view choice : field.labels.empty() ? field.choices : field.labels)
        print("Options", choice);
    }
  });
  std::puts("};");
}
