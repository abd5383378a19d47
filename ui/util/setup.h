// What the window's library needs once per program, before the first widget.
#pragma once

class QApplication;

namespace likeness::ui {

/// Registers the resources, and keeps the wheel from changing numbers that nobody has chosen.
void setUp(QApplication& application);

}  // namespace likeness::ui
