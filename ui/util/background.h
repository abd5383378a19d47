// Work off the GUI thread: the one way in which the window reads files that may be large or slow.
#pragma once

#include <QCoreApplication>
#include <QPointer>
#include <QThreadPool>
#include <memory>
#include <type_traits>
#include <utility>

namespace likeness::ui {

/// Runs `then` on the GUI thread, later, unless `context` is gone by then. Any thread.
template <class Then>
void onGuiThread(QPointer<QObject> context, Then then) {
  QMetaObject::invokeMethod(
      QCoreApplication::instance(),
      [context, then = std::move(then)]() mutable {
        if (context) then();
      },
      Qt::QueuedConnection);
}

/// Runs `work()` on the thread pool, then `then(result)` on the GUI thread unless `context` is
/// gone. What `work` refers to must outlive the pool: Application waits for it before it lets
/// anything go.
template <class Work, class Then>
void inBackground(QObject* context, Work work, Then then) {
  QThreadPool::globalInstance()->start([guard = QPointer<QObject>(context),
                                        work = std::move(work),
                                        then = std::move(then)]() mutable {
    using Value = std::invoke_result_t<Work&>;
    auto value = std::make_shared<Value>(work());
    onGuiThread(guard, [value, then = std::move(then)]() mutable { then(std::move(*value)); });
  });
}

}  // namespace likeness::ui
