// What workers and participants did to the outside world, with the barrier of the client libraries: an effect is
// entered together with its key, an undo enters its own key and its action's. This is the truth that the log is held
// against. Values; one thread.
#pragma once

#include <map>
#include <string>

namespace dta::simulation {

class Ledger {
 public:
  struct Entry {
    bool effect = false;        // it is there
    bool happened = false;      // it was, at some time
    bool closed = false;        // undone, or it will never happen: the barrier lets nothing through any more
    bool forced = false;        // a person has seen to it: nobody goes around the barrier
    std::map<int, bool> undos;  // by order: what it said it had found
    std::string output;         // what the worker says of it

    bool stands() const { return effect && !closed; }
  };

  // False: it was undone before, and must not happen any more. A duplicate does nothing.
  bool perform(const std::string& key, const std::string& output) {
    Entry& entry = entries_[key];
    if (entry.closed) return false;
    enter(entry, output);
    return true;
  }
  // As a worker without barrier does it.
  void perform_regardless(const std::string& key, const std::string& output) {
    Entry& entry = entries_[key];
    if (!entry.forced) enter(entry, output);
  }
  // Whether there was something to undo; asked again in the same order it says the same.
  bool undo(const std::string& key, int order) {
    Entry& entry = entries_[key];
    const auto [said, fresh] = entry.undos.try_emplace(order, entry.effect);
    if (fresh) entry.effect = false;
    entry.closed = true;
    return said->second;
  }
  // By hand, by a person.
  void force(const std::string& key, bool effect) {
    Entry& entry = entries_[key];
    entry.forced = true;
    entry.effect = effect;
    entry.happened |= effect;
    entry.closed = !effect;
  }
  bool stands(const std::string& key) const {
    const Entry* entry = find(key);
    return entry != nullptr && entry->stands();
  }
  const Entry* find(const std::string& key) const {
    const auto found = entries_.find(key);
    return found == entries_.end() ? nullptr : &found->second;
  }

 private:
  static void enter(Entry& entry, const std::string& output) {
    if (!entry.happened) entry.output = output;
    entry.effect = entry.happened = true;
  }

  std::map<std::string, Entry> entries_;
};

}  // namespace dta::simulation
