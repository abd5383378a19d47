#include "core/engine/translate_exception.h"

#include <c10/util/Exception.h>
#include <yaml-cpp/exceptions.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <opencv2/core.hpp>
#include <string>
#include <string_view>

#include "core/base/file_system.h"
#include "core/base/machine.h"
#include "core/tensor/device.h"
#include "core/tensor/out_of_memory.h"

namespace likeness::engine {
namespace {

using api::Error;
using api::ErrorCode;

/// MiB that LibTorch's allocator asked for ("... you tried to allocate 4096 bytes ..."); empty when
/// it does not say.
std::string requestedMiB(std::string_view text) {
  constexpr std::string_view marker = "tried to allocate ";
  const auto at = text.find(marker);
  if (at == std::string_view::npos) return {};
  const double amount =
      std::strtod(std::string(text.substr(at + marker.size(), 32)).c_str(), nullptr);
  const auto unit = text.substr(at, 64);
  const double bytes = unit.find("GiB") != std::string_view::npos   ? amount * 1024 * 1024 * 1024
                       : unit.find("MiB") != std::string_view::npos ? amount * 1024 * 1024
                                                                    : amount;
  return std::to_string(static_cast<std::int64_t>(bytes / (1024 * 1024)) + 1);
}

Error notEnoughMemory(std::string_view text) {
  const std::string needed = requestedMiB(text);
  return {
      ErrorCode::NotEnoughMemory,
      {{"needed", needed.empty() ? "more" : needed},
       {"available", std::to_string(base::availableMemoryMiB())},
       {"fits", "a smaller resolution or batch, or a LoRA instead of full training, needs less"}},
      std::string(text)};
}

Error fromTorch(const c10::Error& error) {
  const std::string text = error.what_without_backtrace();
  if (tensor::isOutOfMemory(error)) return notEnoughMemory(text);
  return {ErrorCode::Internal, {}, text};
}

Error fromFileSystem(const std::filesystem::filesystem_error& error) {
  const std::string file = error.path1().string();
  switch (error.code().value()) {
    case ENOENT:
    case ENOTDIR:
      return {ErrorCode::FileNotFound, {{"file", file}}, error.what()};
    case ENOSPC:
    case EDQUOT:
    case EROFS: {
      Error result = base::writeError(error.code().value(), error.path1());
      result.detail = error.what();
      return result;
    }
    default:
      return {ErrorCode::FileUnreadable,
              {{"file", file}, {"reason", error.code().message()}},
              error.what()};
  }
}

}  // namespace

Error translateException(std::exception_ptr exception) {
  try {
    std::rethrow_exception(std::move(exception));
  } catch (const c10::Error& e) {
    return fromTorch(e);
  } catch (const std::filesystem::filesystem_error& e) {
    return fromFileSystem(e);
  } catch (const cv::Exception& e) {
    if (e.code == cv::Error::StsNoMem) return notEnoughMemory(e.err);
    return {ErrorCode::Internal, {}, "OpenCV: " + e.err + " (" + e.func + ")"};
  } catch (const YAML::Exception& e) {
    return {ErrorCode::Internal, {}, std::string("YAML: ") + e.what()};
  } catch (const std::exception& e) {
    if (tensor::isOutOfMemory(e)) return notEnoughMemory(e.what());
    return {ErrorCode::Internal, {}, e.what()};
  } catch (...) {
    return {ErrorCode::Internal, {}, "an exception of unknown type"};
  }
}

}  // namespace likeness::engine
