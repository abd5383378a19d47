// What the program and the processes it has started use, as the kernel tells it.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "core/api/engine.h"
#include "ui/util/machine_state.h"

namespace likeness::app {

/// The name of what computes: the processor, until an engine has said that it has a GPU.
class ComputeDevice {
 public:
  ComputeDevice();
  /// Any thread.
  void take(const std::vector<api::Device>& devices);
  std::string name() const;

 private:
  mutable std::mutex m_mutex;
  std::string m_name;
};

/// Memory of this process and of its child processes. GUI thread, less than a millisecond.
ui::MachineState machineState(const ComputeDevice& device);

}  // namespace likeness::app
