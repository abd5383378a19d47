// Events of an engine as a test sees them: recorded in order, with a way to wait.
#pragma once

#include <condition_variable>
#include <mutex>
#include <vector>

#include "core/api/engine.h"

namespace likeness::support {

class Recording {
 public:
  explicit Recording(api::Engine& engine)
      : m_subscription(engine.subscribe([this](const api::Event& event) {
          const std::lock_guard lock(m_mutex);
          m_events.push_back(event);
          m_changed.notify_all();
        })) {}

  std::vector<api::Event> events() const {
    const std::lock_guard lock(m_mutex);
    return m_events;
  }
  /// Events of one kind of a job, in order.
  template <class Body>
  std::vector<Body> of(api::JobId job) const {
    std::vector<Body> found;
    for (const auto& event : events())
      if (const auto* body = std::get_if<Body>(&event.body); body && event.job == job)
        found.push_back(*body);
    return found;
  }
  template <class Body>
  void waitFor(api::JobId job) {
    std::unique_lock lock(m_mutex);
    m_changed.wait(lock, [&] {
      for (const auto& event : m_events)
        if (event.job == job && std::holds_alternative<Body>(event.body)) return true;
      return false;
    });
  }
  /// Waits for the end of a job and returns how it ended.
  decltype(api::JobFinished::outcome) finish(api::JobId job) {
    waitFor<api::JobFinished>(job);
    return of<api::JobFinished>(job).front().outcome;
  }

 private:
  mutable std::mutex m_mutex;
  std::condition_variable m_changed;
  std::vector<api::Event> m_events;
  std::unique_ptr<api::Subscription> m_subscription;  // last: its sink uses the members above
};

}  // namespace likeness::support
