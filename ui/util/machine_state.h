// What the program uses of the machine; the program that shows the window finds it out.
#pragma once

#include <QString>
#include <QtGlobal>
#include <functional>

namespace likeness::ui {

struct MachineState {
  QString device;        ///< "Intel(R) Xeon(R) Platinum 8480+", or the GPU that computes
  qint64 memoryMiB = 0;  ///< of the program, now
  qint64 peakMiB = 0;    ///< and at its fullest
  qint64 totalMiB = 0;   ///< of the machine; 0 = not known
};

/// Called on the GUI thread every second: quick, and nothing is loaded for it.
using MachineStateSource = std::function<MachineState()>;

}  // namespace likeness::ui
