// The advisor on made curves.
#include "core/workspace/advisor.h"

#include <gmock/gmock.h>

#include <cmath>
#include <functional>

namespace likeness::workspace {
namespace {

using api::AdviceState;
using api::Series;

/// Probes at 0, 40, 80 ... of curves over `i`, the number of the probe.
std::vector<api::MetricSample> curves(int probes,
                                      const std::function<double(int)>& subject,
                                      const std::function<double(int)>& classHalf = {}) {
  std::vector<api::MetricSample> samples;
  for (int i = 0; i < probes; ++i) {
    samples.push_back({i * 40, Series::ProbeSubject, subject(i)});
    if (classHalf) samples.push_back({i * 40, Series::ProbeClass, classHalf(i)});
    samples.push_back({i * 40, Series::SubjectLoss, 7});  // of no meaning here
  }
  return samples;
}

double falling(int i) { return 0.2 * std::exp(-0.05 * i); }
double settled(int i) { return 0.2 - 0.01 * std::min(i, 6); }
double steady(int) { return 0.1; }
double rising(int i) { return 0.1 + 0.001 * i; }

TEST(Advisor, JudgesWhatTheCurvesSay) {
  struct Case {
    const char* name;
    std::vector<api::MetricSample> samples;
    AdviceState state;
    std::int64_t best;
  };
  const Case cases[] = {
      {"subject alone still falls", curves(12, falling), AdviceState::Learning, 440},
      {"the class rests meanwhile", curves(12, falling, steady), AdviceState::Learning, 440},
      {"the subject falls by more than the class rises",
       curves(12, falling, rising),
       AdviceState::Learning,
       440},
      {"settled", curves(20, settled, steady), AdviceState::Enough, 240},
      {"settled without class pictures", curves(20, settled), AdviceState::Enough, 240},
      {"settled, the class rises", curves(20, settled, rising), AdviceState::Drifting, 240},
      {"learned by heart",
       curves(
           20,
           [](int i) { return 0.2 - 0.001 * i; },
           [](int i) { return 0.1 * std::exp(0.02 * i); }),
       AdviceState::Drifting,
       0},
      {"nothing was learned", curves(20, steady, steady), AdviceState::Learning, 0},
      {"a noisy plateau",
       curves(20, [](int i) { return settled(i) + 0.0005 * std::sin(9.0 * i); }),
       AdviceState::Enough,
       -1},
  };
  for (const Case& c : cases) {
    const auto advice = advise(c.samples);
    ASSERT_TRUE(advice) << c.name;
    EXPECT_EQ(advice->state, c.state) << c.name << ": " << api::sentence(*advice);
    if (c.best >= 0) {
      EXPECT_EQ(advice->bestStep, c.best) << c.name;
    }
  }
}

TEST(Advisor, APictureThatIsAnotherIsDriftToo) {
  auto samples = curves(20, settled, steady);
  samples.push_back({760, Series::ClassDrift, 0.2});
  EXPECT_EQ(advise(samples)->state, AdviceState::Enough);
  samples.push_back({761, Series::ClassDrift, 0.8});
  EXPECT_EQ(advise(samples)->state, AdviceState::Drifting);
  EXPECT_THAT(api::sentence(*advise(samples)), testing::HasSubstr("its picture by 80 %"));
}

TEST(Advisor, TheFirstEqualOfSeveralBestStepsIsNamed) {
  EXPECT_EQ(advise(curves(20, settled))->bestStep, 240);
}

TEST(Advisor, SaysNothingOfTooLittle) {
  EXPECT_FALSE(advise({}));
  EXPECT_FALSE(advise(curves(4, falling)));
  EXPECT_TRUE(advise(curves(5, falling)));
  auto continued = curves(12, falling);
  std::erase_if(continued, [](const auto& sample) { return sample.step == 0; });
  EXPECT_FALSE(advise(continued)) << "without the untrained model nothing can be compared";
  EXPECT_FALSE(advise(curves(12, [](int i) { return i ? 0.1 : 0.0; })));
  EXPECT_FALSE(advise(curves(12, [](int i) { return i ? 0.1 : NAN; })));
}

TEST(Advisor, ExplainsItselfInOneSentence) {
  EXPECT_EQ(
      api::sentence(*advise(curves(20, settled, steady))),
      "Enough: since step 240, the best one, the subject has come no closer than 30 %, and the "
      "class is as it was (0 %).");
  EXPECT_EQ(api::sentence(*advise(curves(12, falling))),
            "Still learning: the subject is 42 % closer than at the start; the best step so far is "
            "440.");
}

TEST(Advisor, BalanceNeedsNoStart) {
  EXPECT_EQ(balance(0.5, {}), 0.5);
  EXPECT_LT(balance(0.10, 0.20), balance(0.12, 0.18));
}

}  // namespace
}  // namespace likeness::workspace
