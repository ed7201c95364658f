// Engine and model side by side: the same commands to both, and after each of them the same phase, outcomes, ready
// work, timers, incidents, inputs and refusals, and the same kinds of events in the same order. Only the time of a
// retry is taken over from the engine, and the model says whether it lies where it must. At the end the log is
// replayed. One pair for one transaction; test thread only.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "tests/engine/live.h"
#include "tests/model/model.h"
#include "tests/model/random_definition.h"
#include "tests/model/replay.h"

namespace dta::model {

// What was seen over many transactions: the comparison is worth something only when it reaches everything.
struct Seen {
  std::array<std::size_t, 6> ends{};         // by phase
  std::array<std::size_t, 5> resolutions{};  // that were accepted
  std::array<std::size_t, 5> incidents{};    // by kind
  std::map<EventKind, std::size_t> events;
  std::map<ErrorCode, std::size_t> refusals;
  std::size_t waiting = 0;  // for a person, at the end
};

class SideBySide {
 public:
  SideBySide(const std::string& text, std::uint64_t seed);
  SideBySide(const SideBySide&) = delete;
  SideBySide& operator=(const SideBySide&) = delete;

  // Stops at the first difference, which fails the test.
  void run(std::size_t commands);
  void count(Seen& seen) const;
  const std::string& story() const { return story_; }  // every command, for people

 private:
  void one();
  void hand_out();
  void report();
  void report_late();
  void report_external();
  void heartbeat();
  void signal();
  void pause();
  void cancel();
  void terminate();
  void resolve();
  void append();
  void tick();

  // The engine decides first, so that its retry times are there when the model asks for them.
  schema::Result<engine::Decision> ask(const engine::Command& command, const std::string& told);
  Time next_retry(Time earliest, Time latest);
  // Both accepted, or refused for the same reason.
  bool same_answer(const schema::Result<engine::Decision>& decision, std::optional<ErrorCode> refused);
  Said random_result();
  std::string name(TaskRef ref) const;

  void expect_equal();
  void expect_equal_flow();
  void expect_equal_step(std::size_t index);
  void expect_equal_task(TaskRef ref);
  void expect_equal_end();
  void expect_replay();
  std::string bytes(const engine::PayloadAt& at) const { return at.present() ? live_.payloads.at(at) : std::string(); }

  Chance chance_;
  const bool calm_;  // little fails and time hardly passes, so that the last steps are reached
  engine::Live live_;
  std::vector<schema::Attempt> cut_off_;  // leases that were open when the transaction was terminated
  std::vector<std::size_t> record_of_;    // by event
  std::vector<Time> retries_;
  std::array<std::size_t, 5> resolved_{};
  std::map<ErrorCode, std::size_t> refusals_;
  std::size_t records_ = 0, signals_ = 0;
  std::string story_;
  Transaction model_;
};

}  // namespace dta::model
