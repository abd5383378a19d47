// Event files as a reader of TensorBoard sees them: framing, checksums, values; and cutting them.
#include "core/workspace/event_file.h"

#include <gmock/gmock.h>

#include "core/base/hash.h"
#include "tests/support/event_reader.h"
#include "tests/support/temp_folder.h"

namespace likeness::workspace {
namespace {

using support::readEvents;

TEST(EventFile, ChecksumIsCastagnolis) {
  EXPECT_EQ(base::crc32c(""), 0U);
  EXPECT_EQ(base::crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(base::crc32c(std::string(32, '\0')), 0x8A9136AAU);  // RFC 3720, B.4
}

TEST(EventFile, HoldsWhatWasPutIn) {
  const std::string file =
      eventFileStart(1.5) +
      scalarEvent(
          2.5, 300, {{300, api::Series::SubjectLoss, 0.25}, {300, api::Series::GradNorm, 2}}) +
      pictureEvent(3, 300, "samples/1 a \xff b", 16, 8, "png bytes") +
      textEvent(4, 70000, "configuration", "    steps: 3");
  const auto events = readEvents(file);
  ASSERT_TRUE(events);
  ASSERT_EQ(events->size(), 4U);
  const auto& [start, scalars, picture, text] =
      std::tie((*events)[0], (*events)[1], (*events)[2], (*events)[3]);
  EXPECT_EQ(start.fileVersion, "brain.Event:2");
  EXPECT_EQ(start.wallTime, 1.5);
  EXPECT_EQ(scalars.step, 300);
  EXPECT_THAT(
      scalars.scalars,
      testing::ElementsAre(testing::Pair("loss/subject", 0.25F), testing::Pair("grad_norm", 2.F)));
  EXPECT_THAT(picture.pictures,
              testing::ElementsAre(testing::Pair("samples/1 a \xEF\xBF\xBD b", "png bytes")));
  EXPECT_EQ(text.step, 70000);
  EXPECT_THAT(text.texts, testing::ElementsAre(testing::Pair("configuration", "    steps: 3")));
}

TEST(EventFile, TheReaderSeesEveryFlippedBit) {
  const std::string file = eventFileStart(1) + scalarEvent(2, 1, {{1, api::Series::ClassLoss, 1}});
  for (std::size_t i = 0; i < file.size(); ++i) {
    std::string damaged = file;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_FALSE(readEvents(damaged)) << i;
  }
}

TEST(EventFile, IsCutAfterTheLastWholeRecordOfAStep) {
  const support::TempFolder folder;
  std::string text = eventFileStart(1);
  std::vector<std::size_t> ends{text.size()};
  for (const std::int64_t step : {1, 1, 127, 128, 1'000'000}) {
    text += scalarEvent(1, step, {{step, api::Series::SubjectLoss, 1}});
    ends.push_back(text.size());
  }
  const auto file = support::put(folder / kEventsFile, text);
  const auto cut = [&](std::int64_t step) { return bytesUntilStep(file, step); };
  EXPECT_EQ(cut(0), ends[0]);
  EXPECT_EQ(cut(1), ends[2]);
  EXPECT_EQ(cut(127), ends[3]);
  EXPECT_EQ(cut(999'999), ends[4]);
  EXPECT_EQ(cut(1'000'000), ends[5]);
  // A record that was being written, or a file of something else.
  support::put(file, text.substr(0, text.size() - 3));
  EXPECT_EQ(cut(2'000'000), ends[4]);
  support::put(file, std::string(100, '\xff'));
  EXPECT_EQ(cut(1), 0U);
  EXPECT_EQ(bytesUntilStep(folder / "none", 1), 0U);
}

}  // namespace
}  // namespace likeness::workspace
