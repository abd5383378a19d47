// A file descriptor that closes itself.
#pragma once

#include <unistd.h>

#include <utility>

namespace likeness::base {

struct Descriptor {
  int number = -1;  ///< -1 = none
  explicit Descriptor(int opened = -1) : number(opened) {}
  Descriptor(Descriptor&& other) noexcept : number(std::exchange(other.number, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number, other.number);
    return *this;
  }
  ~Descriptor() { close(); }
  void close() {
    if (number >= 0) ::close(std::exchange(number, -1));
  }
};

}  // namespace likeness::base
