// The desktop around the program. Where it has no such service, nothing happens.
#pragma once

#include <QString>
#include <memory>

namespace likeness::ui {

/// Calls return at once: the bus is spoken to off the GUI thread.
class Desktop {
 public:
  Desktop();
  virtual ~Desktop();
  /// A note beside the window. GUI thread.
  virtual void notify(const QString& title, const QString& text);
  /// While true the machine does not go to sleep by itself. GUI thread.
  virtual void keepAwake(bool awake);
  /// Puts a file or folder where it can be taken back from; false when it stays where it is. Any
  /// thread.
  virtual bool moveToTrash(const QString& path);

 private:
  struct Awake;
  std::shared_ptr<Awake> m_awake;  ///< also of the work under way
};

}  // namespace likeness::ui
