#include "ui/util/option_fields.h"

#include <type_traits>

namespace likeness::ui {
namespace {

/// Calls use(field, section struct) for the option of that path.
template <class Request, class Use>
void withOption(Request& request, const std::string& path, Use&& use) {
  api::forEachSection(request, [&](std::string_view section, auto& options) {
    using Section = std::remove_cvref_t<decltype(options)>;
    if (path.compare(0, section.size(), section) != 0 || path[section.size()] != '.') return;
    const std::string_view key = std::string_view(path).substr(section.size() + 1);
    for (const auto& field : api::fields<Section>()) {
      if (field.key == key) use(field, options);
    }
  });
}

}  // namespace

const std::vector<OptionField>& trainOptions() {
  static const std::vector<OptionField> all = [] {
    std::vector<OptionField> list;
    const api::TrainRequest defaults;
    api::forEachSection(defaults, [&](std::string_view section, const auto& options) {
      using Section = std::remove_cvref_t<decltype(options)>;
      for (const auto& field : api::fields<Section>())
        list.push_back(
            {std::string(section) + "." + std::string(field.key), std::string(section), &field});
    });
    return list;
  }();
  return all;
}

api::FieldValue readOption(const api::TrainRequest& request, const std::string& path) {
  api::FieldValue value;
  withOption(
      request, path, [&](const auto& field, const auto& options) { value = field.get(options); });
  return value;
}

bool writeOption(api::TrainRequest& request,
                 const std::string& path,
                 const api::FieldValue& value) {
  bool done = false;
  withOption(
      request, path, [&](const auto& field, auto& options) { done = field.set(options, value); });
  return done;
}

}  // namespace likeness::ui
