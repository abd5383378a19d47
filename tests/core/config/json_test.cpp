// The request in a picture: complete, strict, and readable by other programs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/config/config.h"

namespace likeness::config {
namespace {

using api::ErrorCode;
using api::GenerateRequest;
using testing::HasSubstr;

GenerateRequest unusual() {
  GenerateRequest r;
  r.model = {"models/sd \"15\"", "best", "abc"};
  r.adapters = {{"a.safetensors", 0.8}, {"b.safetensors", -1}};
  r.prompt = "a photo of {subject}\non the beach, 日本";
  r.negativePrompt = "blurry";
  r.subject = {"Bo", "sks", "dog", "p {subject}", "c {class}"};
  r.promptSyntax = api::PromptSyntax::Plain;
  r.embeddings = {"my-cat.pt", "b.safetensors"};
  r.image = "from.png";
  r.mask = "mask.png";
  r.strength = 0.3;
  r.hiresScale = 1.5;
  r.hiresStrength = 0.25;
  r.promptTemplate = "a {photo|drawing}";
  r.negativeTemplate = "{a|b}";
  r.sampling = {api::SamplerKind::Euler, 30, 1.0 / 3, true, 0};
  r.sampling.clipSkip = 2;
  r.seed = 9007199254740991;
  r.count = 4;
  r.width = 512;
  r.height = 640;
  r.initialLatents = "noise.safetensors";
  r.previewEvery = 5;
  r.compute = {"cuda:1", api::DType::Bf16, true, 3, 100};
  r.outFolder = "out";
  r.grid = true;
  return r;
}

TEST(Json, RoundTripsEveryMember) {
  GenerateRequest lines;
  lines.prompts = {"a cat", "a \"dog\", 日本"};
  for (const GenerateRequest& request : {GenerateRequest{}, unusual(), lines}) {
    const auto read = generateRequestFromJson(toJson(request), "a.png");
    ASSERT_TRUE(read) << api::message(read.error()) << toJson(request);
    EXPECT_EQ(*read, request);
  }
}

TEST(Json, SurvivesPathsThatAreNotUtf8) {
  GenerateRequest request;
  request.outFolder = "bad\xff name";
  EXPECT_TRUE(generateRequestFromJson(toJson(request), "a.png"));
}

TEST(Json, EveryKeyIsRequiredAndNoneMayBeAdded) {
  const auto complete = nlohmann::json::parse(toJson(unusual()));
  const auto expectRefused =
      [](const nlohmann::json& json, ErrorCode code, const std::string& key) {
        const auto read = generateRequestFromJson(json.dump(), "a.png");
        ASSERT_FALSE(read) << key;
        EXPECT_EQ(read.error().code, code) << key;
        EXPECT_EQ(read.error().value("key"), key);
        EXPECT_EQ(read.error().value("file"), "a.png");
      };
  for (const auto& [key, value] : complete.items()) {
    auto json = complete;
    json.erase(key);
    expectRefused(json, ErrorCode::MissingValue, key);
    if (!value.is_object()) continue;
    for (const auto& [inner, unused] : value.items()) {
      json = complete;
      json[key].erase(inner);
      expectRefused(json, ErrorCode::MissingValue, key + "." + inner);
      json = complete;
      json[key][inner] = nullptr;
      expectRefused(json, ErrorCode::WrongType, key + "." + inner);
    }
    json = complete;
    json[key]["added"] = 1;
    expectRefused(json, ErrorCode::UnknownKey, key + ".added");
    json[key] = 5;
    expectRefused(json, ErrorCode::WrongType, key);
  }
  auto json = complete;
  json["added"] = 1;
  expectRefused(json, ErrorCode::UnknownKey, "added");
}

TEST(Json, RefusesWhatIsNotARequest) {
  for (const std::string text : {"", "{", "[]", "5", "null", "\"x\"", "\xff\xfe"}) {
    const auto read = generateRequestFromJson(text, "a.png");
    ASSERT_FALSE(read) << text;
    EXPECT_FALSE(api::message(read.error()).empty());
  }
  EXPECT_EQ(generateRequestFromJson(std::string(2 << 20, ' '), "a.png").error().code,
            ErrorCode::FileUnreadable);
  EXPECT_FALSE(generateRequestFromJson(std::string(200000, '['), "a.png"));
  auto json = nlohmann::json::parse(toJson(unusual()));
  json["schemaVersion"] = kSchemaVersion + 1;
  EXPECT_EQ(generateRequestFromJson(json.dump(), "a.png").error().code, ErrorCode::NewerSchema);
  json = nlohmann::json::parse(toJson(unusual()));
  json["request"]["count"] = 0;
  EXPECT_EQ(generateRequestFromJson(json.dump(), "a.png").error().code, ErrorCode::OutOfRange);
}

TEST(A1111, SpeaksItsDialect) {
  GenerateRequest request = unusual();
  request.prompt = "a photo of {subject}";
  request.promptTemplate = "a photo, of {\"subject\"}";
  request.sampling.guidance = 7.5;
  EXPECT_EQ(a1111Parameters(request, 12),
            "a photo of sks dog\nNegative prompt: blurry\nSteps: 30, Sampler: Euler, Schedule "
            "type: Karras, CFG scale: 7.5, Seed: 12, "
            "Size: 512x640, Denoising strength: 0.3, Hires upscale: 1.5, Hires upscaler: Lanczos, "
            "Clip skip: 2, Emphasis: None, Template: \"a photo, of "
            "{\\\"subject\\\"}\", Negative Template: {a|b}, Model: sd \"15\", Version: Likeness");
  request = {};
  request.prompt = "a cat";
  request.sampling.eta = 0.5;
  EXPECT_EQ(a1111Parameters(request, 1),
            "a cat\nSteps: 50, Sampler: DDIM, CFG scale: 7.5, Seed: 1, Eta: 0.5, Model: starter, "
            "Version: Likeness");
  request.hiresScale = 2;
  EXPECT_THAT(a1111Parameters(request, 1), HasSubstr("Denoising strength: 0.5, Hires upscale: 2"));
  request.sampling = {api::SamplerKind::Dpmpp2m, 20, 5, false, 0};
  EXPECT_THAT(a1111Parameters(request, 1), HasSubstr("Sampler: DPM++ 2M,"));
}

}  // namespace
}  // namespace likeness::config
