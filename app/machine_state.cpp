#include "app/machine_state.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "core/base/machine.h"
#include "ui/util/convert.h"

namespace likeness::app {
namespace {

/// MiB of a process now and at its peak; the program may have given parts of its work to others.
void addMemoryOf(const std::string& process, ui::MachineState& state) {
  std::ifstream in("/proc/" + process + "/status");
  for (std::string word; in >> word;) {
    qint64 kib = 0;
    if (word == "VmRSS:" && in >> kib) state.memoryMiB += kib / 1024;
    if (word == "VmHWM:" && in >> kib) state.peakMiB += kib / 1024;
  }
  // A child belongs to the thread that started it.
  std::error_code ended;
  for (const auto& thread :
       std::filesystem::directory_iterator("/proc/" + process + "/task", ended)) {
    std::ifstream children(thread.path() / "children");
    for (std::string child; children >> child;) addMemoryOf(child, state);
  }
}

}  // namespace

ComputeDevice::ComputeDevice() : m_name(base::cpuName()) {}

void ComputeDevice::take(const std::vector<api::Device>& devices) {
  for (const api::Device& device : devices) {
    if (!device.id.starts_with("cuda")) continue;
    const std::lock_guard lock(m_mutex);
    m_name = device.name;
    return;
  }
}

std::string ComputeDevice::name() const {
  const std::lock_guard lock(m_mutex);
  return m_name;
}

ui::MachineState machineState(const ComputeDevice& device) {
  ui::MachineState state;
  state.device = ui::fromStd(device.name());
  state.totalMiB = base::totalMemoryMiB();
  addMemoryOf(std::to_string(::getpid()), state);
  return state;
}

}  // namespace likeness::app
