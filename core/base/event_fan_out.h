// Events to every subscriber, with one rising sequence number: what every engine has inside.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "core/api/engine.h"

namespace likeness::base {

/// Thread-safe. A subscription may be destroyed anywhere, also inside its own sink: once its
/// destructor has returned no call of the sink begins, and none is under way on another thread (so
/// a sink may capture its owner). Sinks must not hold a lock that is held while a subscription is
/// destroyed.
class EventFanOut {
 public:
  std::unique_ptr<api::Subscription> subscribe(api::EventSink sink) {
    auto subscriber = std::make_shared<Subscriber>(std::move(sink));
    const std::lock_guard lock(m_mutex);
    m_subscribers.push_back(subscriber);
    return std::make_unique<Handle>(std::move(subscriber));
  }

  /// Numbers the event and hands it to every subscriber on this thread. Calls from several threads
  /// are ordered by the caller.
  void emit(api::JobId job, decltype(api::Event::body) body) {
    api::Event event{job, ++m_sequence, std::move(body)};
    std::vector<std::shared_ptr<Subscriber>> subscribers;
    {
      const std::lock_guard lock(m_mutex);
      std::erase_if(m_subscribers, [](const auto& entry) { return entry.expired(); });
      for (const auto& entry : m_subscribers)
        if (auto subscriber = entry.lock()) subscribers.push_back(std::move(subscriber));
    }
    for (const auto& subscriber : subscribers) {
      const std::lock_guard lock(subscriber->mutex);
      if (subscriber->alive) subscriber->sink(event);
    }
  }

 private:
  struct Subscriber {
    explicit Subscriber(api::EventSink s) : sink(std::move(s)) {}
    api::EventSink sink;
    std::recursive_mutex mutex;  // recursive: a sink may end its own subscription
    bool alive = true;
  };
  class Handle : public api::Subscription {
   public:
    explicit Handle(std::shared_ptr<Subscriber> subscriber) : m_subscriber(std::move(subscriber)) {}
    ~Handle() override {
      const std::shared_ptr<Subscriber> keep = std::move(m_subscriber);
      const std::lock_guard lock(keep->mutex);
      keep->alive = false;
    }

   private:
    std::shared_ptr<Subscriber> m_subscriber;
  };

  std::mutex m_mutex;
  std::vector<std::weak_ptr<Subscriber>> m_subscribers;
  std::uint64_t m_sequence = 0;
};

}  // namespace likeness::base
