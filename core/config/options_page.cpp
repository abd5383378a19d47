// The field tables as a page for people.
#include <limits>
#include <map>

#include "core/config/config.h"
#include "core/config/field_text.h"

namespace likeness::config {
namespace {

constexpr std::string_view kHead =
    R"(# Every option of training

What each option does, and when to change it. On the command line an option is a flag (`--rank 8`; switches also as `--no-flip`), in a
project's or run's YAML a key of its section (`rank: 8` under `lora`), in the window a field, of which those marked *expert* stand behind
"Expert". A base model's own recipe may set other defaults than these; `likeness-cli train --print-config` shows what would count.

This page is made from the tables of options in `core/api` by `likeness-cli options`.
)";

const std::map<std::string_view, std::string_view> kTitles{
    {"subject", "The subject and its words"},
    {"training", "What is trained, how long and how fast"},
    {"lora", "Adapters"},
    {"embedding", "New words"},
    {"loss", "The loss"},
    {"data", "How photos become batches"},
    {"prior", "Keeping the class as it was"},
    {"optimizer", "The optimizer"},
    {"memory", "Less memory"},
    {"watch", "Watching"},
    {"checkpoints", "Checkpoints"},
    {"compute", "The machine"}};

std::string entry(std::string_view section, const api::FieldInfo& row, std::string value) {
  std::string facts = "default ";
  facts += value.empty() || value == "\"\"" || value == "[]" ? "none" : "`" + value + "`";
  if (!row.unit.empty()) facts.append(" ").append(row.unit);
  if (!row.choices.empty())
    facts += ", " + oneOf(row.choices);
  else if (row.kind == api::FieldKind::Integer || row.kind == api::FieldKind::Number)
    facts += ", " + rangeText(row);
  if (row.advanced) facts += ", *expert*";
  return "**" + std::string(row.label) + "** `--" + api::kebabCase(row.key) + "` (`" +
         std::string(section) + "." + std::string(row.key) + "`): " + facts + ".  \n" +
         std::string(row.help) + "\n\n";
}

}  // namespace

std::string optionsPage() {
  std::string page(kHead);
  const api::TrainRequest request;
  api::forEachSection(request, [&]<class S>(const char* section, const S& defaults) {
    const auto title = kTitles.find(section);
    page.append("\n## ").append(title == kTitles.end() ? section : title->second).append("\n\n");
    for (const api::Field<S>& row : api::fields<S>())
      page += entry(section, row, yamlText(row.get(defaults)));
    page.pop_back();
  });
  return page;
}

}  // namespace likeness::config
