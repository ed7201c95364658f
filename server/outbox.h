// Work on its way to the io thread: replies of the partition, pages of the reading thread. Replies come in bursts after
// each commit; the first of a burst wakes the io thread, the others only join the list that it will take as a whole.
//
// Any thread pushes; only the io thread takes. After close() whatever is pushed is dropped, so that a reply which comes
// after the server has gone touches nothing of it.
#pragma once

#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace dta::server {

class Outbox {
 public:
  using Entry = std::function<void()>;

  // `wake` must make the io thread call take() soon; it is called with the lock held and must not call back.
  explicit Outbox(std::function<void()> wake) : wake_(std::move(wake)) {}

  void push(Entry entry) {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    entries_.push_back(std::move(entry));
    if (entries_.size() == 1) wake_();
  }

  // Runs everything that was pushed so far, in order. What an entry pushes meanwhile waits for the next take().
  void take() {
    {
      const std::lock_guard lock(mutex_);
      taken_.swap(entries_);
    }
    for (Entry& entry : taken_) entry();
    taken_.clear();
  }

  void close() {
    std::vector<Entry> dropped;
    const std::lock_guard lock(mutex_);
    closed_ = true;
    dropped.swap(entries_);
  }

 private:
  std::function<void()> wake_;
  std::mutex mutex_;
  std::vector<Entry> entries_;
  std::vector<Entry> taken_;  // the io thread's
  bool closed_ = false;
};

}  // namespace dta::server
