// A request as YAML that a person likes to read.
#include <yaml-cpp/yaml.h>

#include <charconv>

#include "core/config/config.h"
#include "core/config/field_text.h"

namespace likeness::config {
namespace {

using api::FieldValue;

/// Plain where YAML cannot mistake it for anything else, quoted otherwise.
std::string scalar(const std::string& text) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
  constexpr std::string_view kMore = "0123456789./-";
  const bool plain =
      !text.empty() && kLetters.find(text.front()) != std::string_view::npos &&
      text.find_first_not_of(std::string(kLetters) + std::string(kMore)) == std::string::npos;
  bool boolean = false;
  const bool ambiguous = YAML::convert<bool>::decode(YAML::Node(text), boolean) || text == "null" ||
                         text == "Null" || text == "NULL";
  if (plain && !ambiguous) return text;
  YAML::Emitter out;
  out << YAML::DoubleQuoted << text;
  return out.c_str();
}

std::string number(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

}  // namespace

std::string yamlText(const FieldValue& value) {
  if (const auto* v = std::get_if<bool>(&value)) return *v ? "true" : "false";
  if (const auto* v = std::get_if<std::int64_t>(&value)) return std::to_string(*v);
  if (const auto* v = std::get_if<double>(&value)) return number(*v);
  if (const auto* v = std::get_if<std::string>(&value)) return scalar(*v);
  std::string list = "[";
  for (const std::string& item : std::get<std::vector<std::string>>(value))
    list.append(list.size() > 1 ? ", " : "").append(scalar(item));
  return list + "]";
}

namespace {

std::string comment(const api::FieldInfo& info) {
  std::string line = "  # " + std::string(info.label);
  if (!info.unit.empty()) line.append(" (").append(info.unit).append(")");
  line.append(". ").append(info.help);
  for (std::size_t i = 0; i < info.choices.size(); ++i)
    line.append(i ? ", " : " One of ").append(info.choices[i]);
  return line + (info.choices.empty() ? "\n" : ".\n");
}

/// `indent` stands before each line.
std::string photos(const std::vector<api::Photo>& list, const std::string& indent = {}) {
  if (list.empty()) return indent + "photos: []\n";
  std::string out = indent + "photos:\n";
  for (const api::Photo& photo : list) {
    out += indent + "  - file: " + scalar(photo.file.string()) + "\n";
    const std::string next = indent + "    ";
    if (!photo.caption.empty()) out += next + "caption: " + scalar(photo.caption) + "\n";
    if (const auto& c = photo.crop)
      out += next + "crop: [" + number(c->x) + ", " + number(c->y) + ", " + number(c->width) +
             ", " + number(c->height) + "]\n";
    if (photo.excluded) out += next + "exclude: true\n";
    if (!photo.mask.empty()) out += next + "mask: " + scalar(photo.mask.string()) + "\n";
    if (photo.repeats != 1) out += next + "repeats: " + std::to_string(photo.repeats) + "\n";
  }
  return out;
}

std::string furtherSubjects(const std::vector<api::FurtherSubject>& list) {
  std::string out = list.empty() ? "" : "furtherSubjects:\n";
  for (const api::FurtherSubject& further : list) {
    out += "  - subject:\n";
    for (const auto& row : api::fields<api::SubjectOptions>())
      out += "      " + std::string(row.key) + ": " + yamlText(row.get(further.subject)) + "\n";
    out += photos(further.photos, "    ");
    if (!further.classFolder.empty())
      out += "    classFolder: " + scalar(further.classFolder.string()) + "\n";
  }
  return out;
}

std::string model(const api::ModelRef& base) {
  if (base == api::ModelRef{base.path}) return "base: " + scalar(base.path) + "\n";
  std::string out = "base:\n  path: " + scalar(base.path) +
                    "\n  checkpoint: " + scalar(base.checkpoint) +
                    "\n  hash: " + scalar(base.hash) + "\n";
  if (!base.vae.empty()) out += "  vae: " + scalar(base.vae.string()) + "\n";
  if (base.prediction != api::PredictionChoice::Auto)
    out += "  prediction: " + std::string(api::enumName(base.prediction)) + "\n";
  return out;
}

}  // namespace

std::string toYaml(const api::TrainRequest& request, bool comments) {
  std::string out = "schemaVersion: " + std::to_string(kSchemaVersion) + "\n";
  if (comments)
    out +=
        "# The base model: starter, a diffusers folder, or a run. Paths are relative to this "
        "file.\n";
  out += model(request.base);
  if (comments)
    out +=
        "# Three to five photos of the subject: file, and where wanted caption (of several lines "
        "each step takes one), crop [x, y, width, height], exclude, mask (a grey picture, or the "
        "photo itself for its transparency), repeats.\n";
  out += photos(request.photos);
  if (comments && !request.furtherSubjects.empty())
    out +=
        "# Subjects that are learned beside the first one: words, photos, and where wanted a "
        "folder of own class pictures.\n";
  out += furtherSubjects(request.furtherSubjects);
  api::forEachSection(request, [&]<class S>(const char* section, const S& options) {
    out += std::string(section) + ":\n";
    for (const api::Field<S>& row : api::fields<S>()) {
      if (comments) out += comment(row);
      out += "  " + std::string(row.key) + ": " + yamlText(row.get(options)) + "\n";
    }
  });
  for (const auto& [key, path] : {std::pair("runFolder", request.runFolder),
                                  std::pair("classImageFolder", request.classImageFolder),
                                  std::pair("cacheFolder", request.cacheFolder)})
    if (!path.empty()) out += std::string(key) + ": " + scalar(path.string()) + "\n";
  if (request.resume) out += "resume: true\n";
  return out;
}

}  // namespace likeness::config
