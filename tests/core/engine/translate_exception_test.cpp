// What each kind of exception becomes for a person.
#include "core/engine/translate_exception.h"

#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <new>
#include <opencv2/core.hpp>
#include <stdexcept>

namespace likeness::engine {
namespace {

using api::Error;
using api::ErrorCode;
using testing::HasSubstr;
using testing::Not;

template <class Throw>
Error translated(Throw&& thrower) {
  try {
    thrower();
  } catch (...) {
    return translateException(std::current_exception());
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

TEST(TranslateException, LibTorchErrorsLoseTheirBacktrace) {
  const Error error = translated([] { TORCH_CHECK(false, "sizes do not match"); });
  EXPECT_EQ(error.code, ErrorCode::Internal);
  EXPECT_THAT(error.detail, HasSubstr("sizes do not match"));
  EXPECT_THAT(error.detail, Not(HasSubstr("frame #")));
}

TEST(TranslateException, LibTorchsAllocatorMeansNotEnoughMemory) {
  const Error error = translated([] {
    TORCH_CHECK(false,
                "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate "
                "memory: you tried to allocate 8388608 bytes. Error code 12");
  });
  EXPECT_EQ(error.code, ErrorCode::NotEnoughMemory);
  EXPECT_EQ(error.value("needed"), "9");
  EXPECT_FALSE(error.value("available").empty());
  EXPECT_EQ(translated([] {
              TORCH_CHECK_WITH(
                  OutOfMemoryError, false, "CUDA out of memory. Tried to allocate 2.00 GiB.");
            }).code,
            ErrorCode::NotEnoughMemory);
}

TEST(TranslateException, BadAllocMeansNotEnoughMemory) {
  const Error error = translated([] { throw std::bad_alloc(); });
  EXPECT_EQ(error.code, ErrorCode::NotEnoughMemory);
  EXPECT_THAT(api::message(error), HasSubstr("memory"));
}

TEST(TranslateException, OneDnnsPlainErrorMeansNotEnoughMemoryToo) {
  EXPECT_EQ(translated([] {
              throw std::runtime_error("could not create a primitive: out of memory");
            }).code,
            ErrorCode::NotEnoughMemory);
}

TEST(TranslateException, FileSystemErrorsFollowTheirErrno) {
  const auto thrown = [](int code) {
    return translated([code] {
      throw std::filesystem::filesystem_error(
          "x", "some/file.png", std::error_code(code, std::generic_category()));
    });
  };
  EXPECT_EQ(thrown(ENOENT).code, ErrorCode::FileNotFound);
  EXPECT_EQ(thrown(ENOENT).value("file"), "some/file.png");
  EXPECT_EQ(thrown(ENOSPC).code, ErrorCode::DiskFull);
  EXPECT_EQ(thrown(EROFS).code, ErrorCode::FileUnwritable);
  EXPECT_EQ(thrown(EACCES).code, ErrorCode::FileUnreadable);
}

TEST(TranslateException, LibrariesAndUnknownThings) {
  const Error cvError =
      translated([] { cv::error(cv::Error::StsBadArg, "bad argument", "resize", "file", 1); });
  EXPECT_EQ(cvError.code, ErrorCode::Internal);
  EXPECT_THAT(cvError.detail, HasSubstr("bad argument"));
  EXPECT_EQ(
      translated([] { cv::error(cv::Error::StsNoMem, "no memory", "alloc", "file", 1); }).code,
      ErrorCode::NotEnoughMemory);
  EXPECT_THAT(translated([] { YAML::Load("a: [1"); }).detail, HasSubstr("YAML"));
  EXPECT_EQ(translated([] { throw std::logic_error("impossible"); }).detail, "impossible");
  EXPECT_EQ(translated([] { throw 7; }).code, ErrorCode::Internal);
}

}  // namespace
}  // namespace likeness::engine
