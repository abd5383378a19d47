// Comparisons that leave what they measured in the report of the run.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace likeness::support {

/// EXPECT_LE(error, bound), and the property `what` = "ERROR of BOUND" of the running test
/// (--gtest_output=json:FILE), from which tests/golden/parity.py makes its table. Of several under
/// one name the largest error stands.
inline void expectWithin(const std::string& what, double error, double bound) {
  EXPECT_LE(error, bound) << what;
  const testing::TestResult& soFar =
      *testing::UnitTest::GetInstance()->current_test_info()->result();
  for (int i = 0; i < soFar.test_property_count(); ++i)
    if (const testing::TestProperty& property = soFar.GetTestProperty(i);
        property.key() == what && std::atof(property.value()) > error)
      return;
  char value[64];
  std::snprintf(value, sizeof value, "%.3g of %.3g", error, bound);
  testing::Test::RecordProperty(what, value);
}

}  // namespace likeness::support
