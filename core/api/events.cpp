// Plain words for the stages of a job, and for what its curves say.
#include "core/api/events.h"

#include <cmath>

namespace likeness::api {

std::string_view label(Stage stage) {
  switch (stage) {
    case Stage::LoadModel:
      return "Loading the model";
    case Stage::PreparePhotos:
      return "Preparing photos";
    case Stage::ClassImages:
      return "Making class pictures";
    case Stage::CacheLatents:
      return "Encoding pictures";
    case Stage::Train:
      return "Training";
    case Stage::Generate:
      return "Making pictures";
    case Stage::Export:
      return "Exporting";
    case Stage::Verify:
      return "Checking the result";
    case Stage::Bench:
      break;
  }
  return "Measuring";
}

std::string_view adviceTemplate(AdviceState state) {
  switch (state) {
    case AdviceState::Learning:
      break;
    case AdviceState::Enough:
      return "Enough: since step {best}, the best one, the subject has come no closer than "
             "{fall} %[, and the class is as it was ({rise} %)]."
             "[ DINO sees a likeness of {dino} %; the paper had 67 %.]";
    case AdviceState::Drifting:
      return "Too much: since step {best}, the best one, the subject has come no closer than "
             "{fall} % while the class moves away[ (its loss by {rise} %)][ (its picture by "
             "{drift} %)].[ DINO sees a likeness of {dino} %; the paper had 67 %.]";
  }
  return "Still learning: the subject is {fall} % closer than at the start[, the class moved by "
         "{rise} %]; the best step so far is {best}."
         "[ DINO sees a likeness of {dino} %; the paper had 67 %.]";
}

std::string fillAdvice(std::string_view text, const Advice& advice) {
  Error values;
  const auto add = [&](const char* name, const std::optional<double>& part) {
    if (part) values.context.emplace_back(name, std::to_string(std::lround(100 * *part)));
  };
  values.context.emplace_back("best", std::to_string(advice.bestStep));
  add("fall", advice.subjectFall);
  add("rise", advice.classRise);
  add("drift", advice.classDrift);
  add("dino", advice.dino);
  return fillTemplate(text, values);
}

std::string sentence(const Advice& advice) {
  return fillAdvice(adviceTemplate(advice.state), advice);
}

}  // namespace likeness::api
