// The options of a request by their dotted path, through the field tables: what the expert form
// reads and writes.
#pragma once

#include <string>
#include <vector>

#include "core/api/requests.h"

namespace likeness::ui {

struct OptionField {
  std::string path;  ///< "training.learningRate"; of a plain member its key alone
  std::string section;
  const api::FieldInfo* info = nullptr;
};

/// Every option of a training request, in the order of the sections.
const std::vector<OptionField>& trainOptions();
/// Every option of a request for pictures; its plain members, the section "picture", come first.
const std::vector<OptionField>& generateOptions();

/// The path must be one of the options of such a request.
api::FieldValue readOption(const api::TrainRequest& request, const std::string& path);
api::FieldValue readOption(const api::GenerateRequest& request, const std::string& path);
/// False when the value has another type or names no choice.
bool writeOption(api::TrainRequest& request, const std::string& path, const api::FieldValue& value);
bool writeOption(api::GenerateRequest& request,
                 const std::string& path,
                 const api::FieldValue& value);

}  // namespace likeness::ui
