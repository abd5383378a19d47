// Everything that crosses between the processes arrives as it was, and nothing else is taken.
#include "core/remote/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <typeinfo>

#include "core/config/json_members.h"
#include "tests/support/unusual_requests.h"

namespace likeness::remote {
namespace {

using namespace api;
using config::Json;

template <class M>
M backAndForth(const M& message) {
  const auto read = decode<M>(encode(message));
  EXPECT_TRUE(read) << read.error().detail;
  return read.value_or(M());
}

/// Where two values are the same although nothing should be.
void expectAllDiffers(const Json& a, const Json& b, const std::string& where) {
  if (a.is_object() && b.is_object()) {
    ASSERT_EQ(a.size(), b.size());
    for (const auto& [key, value] : a.items()) expectAllDiffers(value, b[key], where + "." + key);
  } else {
    EXPECT_NE(a, b) << where;
  }
}

/// Requests hold their own defaults, so a member that was forgotten comes back as one.
TEST(Messages, EveryMemberOfEveryRequestArrives) {
  const auto requests = support::unusualRequests();
  ASSERT_EQ(requests.size(), std::variant_size_v<Request>);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    ASSERT_EQ(requests[i].index(), i);
    std::visit(
        []<class R>(const R& request) {
          expectAllDiffers(config::jsonOf(R()), config::jsonOf(request), typeid(R).name());
        },
        requests[i]);
    const ToEngine message = Submit{std::numeric_limits<JobId>::max(), requests[i]};
    EXPECT_EQ(backAndForth(message), message) << i;
  }
  // The one whose members are not named one by one in json_members.h.
  const auto count = []<class... T>(const T&...) { return sizeof...(T); };
  const GenerateRequest generate;
  const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y] =
      generate;
  EXPECT_EQ(fields<GenerateRequest>().size() + 6,  // model, adapters, three sections, outFolder
            count(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y));
}

TEST(Messages, DefaultsOrdersAndTheStartArrive) {
  for (const ToEngine& message : std::vector<ToEngine>{Start{"1.2.3", "/resources \xff", -5},
                                                       Submit{1, TrainRequest{}},
                                                       Submit{2, GenerateRequest{}},
                                                       Order{3, Command::Stop},
                                                       Order{4, Command::Checkpoint},
                                                       Order{5, Command::Sample},
                                                       AskDevices{}})
    EXPECT_EQ(backAndForth(message), message);
}

std::vector<FromEngine> answers() {
  const Error error{ErrorCode::EngineMissing, {{"a", "b \xff"}, {"c", ""}}, "detail"};
  const Figures figures{{"yes", true},
                        {"count", std::int64_t{-3}},
                        {"seconds", 0.1},
                        {"whole", 2.0},
                        {"text", std::string("words")},
                        {"files", std::vector<std::string>{"a", "b"}},
                        {"none", std::vector<std::string>{}}};
  const std::vector<decltype(Event::body)> bodies{
      JobQueued{},
      JobStarted{},
      StageChanged{Stage::Bench},
      Progress{Stage::Verify, 3, 4, 0.25, 1e300},
      PictureReady{PictureKind::Sheet,
                   {3, 5, PixelFormat::Gray8, nullptr},
                   "out/1.png",
                   6,
                   7,
                   8,
                   "a prompt",
                   -9},
      CheckpointSaved{320, "runs/0001/checkpoints/000320"},
      Advice{AdviceState::Drifting, 10, 8, 0.3, 0.07, 0.2, 0.9},
      Advice{AdviceState::Learning, 1, 0, 0, {}, {}, {}},
      Warning{error},
      JobFinished{Completed{{"a", "b"}, figures}},
      JobFinished{Cancelled{{"c"}, figures}},
      JobFinished{Failed{error}}};
  std::vector<FromEngine> all;
  for (const auto& body : bodies) all.emplace_back(Event{7, all.size() + 1, body});
  all.emplace_back(Refused{error});
  Metrics metrics{5, {}, true};
  for (int series = 0; series <= static_cast<int>(Series::ClipPrompt); ++series)
    metrics.samples.push_back({series, static_cast<Series>(series), 1.0 / (series + 1)});
  metrics.samples.push_back({99, Series::SubjectLoss, std::numeric_limits<double>::infinity()});
  all.emplace_back(metrics);
  all.emplace_back(LogLine{3, "a line"});
  all.emplace_back(Devices{{{"cuda:0", "A card", 81920, 80000, true, "driver"},
                            {"cpu", "A processor", 1, 2, false, ""}}});
  return all;
}

TEST(Messages, EveryEventAndAnswerArrives) {
  for (const FromEngine& message : answers()) {
    const FromEngine read = backAndForth(message);
    ASSERT_EQ(read.index(), message.index());
    EXPECT_EQ(Json::from_cbor(encode(read)), Json::from_cbor(encode(message)));
  }
  // Every kind of event is among them.
  std::set<std::size_t> kinds;
  for (const FromEngine& message : answers())
    if (const auto* event = std::get_if<Event>(&message)) kinds.insert(event->body.index());
  EXPECT_EQ(kinds.size(), std::variant_size_v<decltype(Event::body)>);
}

TEST(Messages, NumbersThatAreNoneArrive) {
  const auto read =
      backAndForth(FromEngine(Metrics{1, {{1, Series::SubjectLoss, std::nan("")}}, false}));
  EXPECT_TRUE(std::isnan(std::get<Metrics>(read).samples.at(0).value));
}

/// The compiler asks for the new one in a switch without default; then kEnumSize is next.
TEST(Messages, TheLastOfEachEnumIsKnown) {
  const auto last = [](Series series) {
    switch (series) {
      case Series::SubjectLoss:
      case Series::ClassLoss:
      case Series::ProbeSubject:
      case Series::ProbeClass:
      case Series::LearningRate:
      case Series::GradNorm:
      case Series::StepSeconds:
      case Series::MemoryMiB:
      case Series::LossBand1:
      case Series::LossBand2:
      case Series::LossBand3:
      case Series::LossBand4:
      case Series::ClassDrift:
      case Series::DinoLikeness:
      case Series::ClipLikeness:
      case Series::ClipPrompt:
        return static_cast<int>(Series::ClipPrompt);
    }
    return -1;
  };
  EXPECT_EQ(config::kEnumSize<Series>, last(Series::SubjectLoss) + 1);
  EXPECT_EQ(static_cast<std::size_t>(config::kEnumSize<ErrorCode>), allErrorCodes().size());
}

std::string cbor(const Json& json) {
  std::string bytes;
  Json::to_cbor(json, bytes);
  return bytes;
}

TEST(Messages, WhatIsNoMessageIsRefused) {
  const auto refused = [](const std::string& bytes) {
    const auto a = decode<FromEngine>(bytes);
    const auto b = decode<ToEngine>(bytes);
    return !a && !b && a.error().code == ErrorCode::Internal && !a.error().detail.empty();
  };
  EXPECT_TRUE(refused(""));
  EXPECT_TRUE(refused("words"));
  EXPECT_TRUE(refused(cbor(5)));
  EXPECT_TRUE(refused(cbor(Json::array({99, Json::object()}))));
  EXPECT_TRUE(refused(cbor(Json::array({-1, Json::object()}))));
  EXPECT_TRUE(refused(cbor(Json::array({"0", Json::object()}))));
  EXPECT_TRUE(refused(encode(ToEngine(AskDevices{})) + "x"));
  // Nesting and texts without a length, which the library reads by recursion; lists that claim more
  // than there is; tags and bytes, which are not ours.
  for (const char* part : {"\x81", "\x7f", "\x5f", "\x9f", "\xbf", "\xa1\x61k", "\xd8\x20"}) {
    std::string deep;
    while (deep.size() < (4u << 20)) deep += part;
    EXPECT_TRUE(refused(deep)) << static_cast<int>(part[0]);
    EXPECT_TRUE(refused(deep + "\xf6")) << static_cast<int>(part[0]);
  }
  EXPECT_TRUE(refused("\x9b\x7f\xff\xff\xff\xff\xff\xff\xff"));
  EXPECT_TRUE(refused("\xbb\x7f\xff\xff\xff\xff\xff\xff\xff"));
  EXPECT_TRUE(refused("\x7b\xff\xff\xff\xff\xff\xff\xff\xff"));
}

TEST(Messages, EveryMemberMustBeThereOfItsTypeAndKnown) {
  const Json whole = Json::from_cbor(encode(FromEngine(
      Event{1,
            2,
            PictureReady{
                PictureKind::Result, {1, 1, PixelFormat::Rgb8, nullptr}, "f", 3, 4, 5, "p", 6}})));
  ASSERT_TRUE(decode<FromEngine>(cbor(whole)));
  const Json& picture = whole[1]["body"][1];
  for (const auto& [key, value] : picture.items()) {
    for (const Json& wrong : {Json(), Json(true), Json(1e9), Json::array(), Json(-7), Json("x")}) {
      if (wrong.type() == value.type() || (wrong.is_number_integer() && value.is_number_integer()))
        continue;
      Json changed = whole;
      changed[1]["body"][1][key] = wrong;
      EXPECT_FALSE(decode<FromEngine>(cbor(changed))) << key << " " << wrong;
    }
    Json changed = whole;
    changed[1]["body"][1].erase(key);
    EXPECT_FALSE(decode<FromEngine>(cbor(changed))) << key;
  }
  Json changed = whole;
  changed[1]["body"][1]["more"] = 1;
  EXPECT_FALSE(decode<FromEngine>(cbor(changed)));
  changed = whole;
  changed[1]["body"][1]["kind"] = 77;  // an enum has an end
  EXPECT_FALSE(decode<FromEngine>(cbor(changed)));
  changed = whole;
  changed[1]["job"] = -1;
  EXPECT_FALSE(decode<FromEngine>(cbor(changed)));
  changed = whole;
  changed[1]["body"][1]["image"]["width"] = std::int64_t{1} << 40;
  EXPECT_FALSE(decode<FromEngine>(cbor(changed)));
}

TEST(Messages, EveryPrefixIsRefused) {
  const std::string bytes = encode(answers()[4]);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode<FromEngine>(bytes.substr(0, size))) << size;
}

}  // namespace
}  // namespace likeness::remote
