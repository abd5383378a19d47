// Plain words for the stages of a job.
#include "core/api/events.h"

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

}  // namespace likeness::api
