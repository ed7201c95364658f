// What workers did to the outside world, with the barrier of the client libraries: an effect is entered together with
// its key, an undo enters its own key and its action's. This is the truth that the log is held against. Values; one
// thread.
#pragma once

#include <map>
#include <string>

namespace dta::simulation {

class Ledger {
 public:
  struct Entry {
    bool effect = false;      // it happened
    bool undone = false;      // and was undone, or will never happen
    bool found = false;       // what the undo said
    bool after_undo = false;  // it happened in spite of that: a worker without barrier
    std::string output;       // what the worker says of it
  };

  // False: it was undone before, and must not happen any more. A duplicate does nothing.
  bool perform(const std::string& key, const std::string& output) {
    Entry& entry = entries_[key];
    if (entry.undone) return false;
    if (!entry.effect) entry.output = output;
    entry.effect = true;
    return true;
  }
  // As a worker without barrier does it.
  void perform_regardless(const std::string& key, const std::string& output) {
    Entry& entry = entries_[key];
    entry.after_undo |= entry.undone;
    if (!entry.effect) entry.output = output;
    entry.effect = true;
  }
  // Whether there was something to undo; asked again it says the same.
  bool undo(const std::string& key) {
    Entry& entry = entries_[key];
    if (!entry.undone) entry.found = entry.effect;
    entry.undone = true;
    return entry.found;
  }
  bool happened(const std::string& key) const {
    const auto found = entries_.find(key);
    return found != entries_.end() && found->second.effect;
  }
  const std::map<std::string, Entry>& entries() const { return entries_; }
  const Entry* find(const std::string& key) const {
    const auto found = entries_.find(key);
    return found == entries_.end() ? nullptr : &found->second;
  }

 private:
  std::map<std::string, Entry> entries_;
};

}  // namespace dta::simulation
