// Engine and model side by side: the same random commands on the same random definition, and after each of them the
// same phase, outcomes, ready work, timers, undone tasks, inputs, incidents and refusals, and the same events in the
// same order. Only the time of a retry is taken over from the engine, and the model says whether it lies where it must.
// Test thread only.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "tests/engine/live.h"
#include "tests/model/model.h"
#include "tests/model/random_definition.h"

namespace dta::model {

class SideBySide {
 public:
  SideBySide(const std::string& text, std::uint64_t seed);
  SideBySide(const SideBySide&) = delete;
  SideBySide& operator=(const SideBySide&) = delete;

  void run(std::size_t commands);
  const Transaction& model() const { return model_; }

  std::array<std::size_t, 5> resolved{};  // how many incidents, by resolution

 private:
  void one();
  // The engine decides first, so that its retry times are there when the model asks for them.
  schema::Result<engine::Decision> ask(const engine::Command& command);
  Time next_retry(Time earliest, Time latest);
  // Asks both; both refuse with the same code, or neither.
  void expect_same(const engine::Command& command, const std::function<std::optional<ErrorCode>()>& model);
  Said random_result();

  void hand_out();
  void report();
  void report_late();
  void report_external();
  void heartbeat();
  void signal();
  void pause_or_resume();
  void terminate();
  void resolve();
  void append();
  void tick();

  // side_by_side_compare.cpp
  void expect_equal();
  void expect_equal_path();
  void expect_equal_step(std::size_t index);
  void expect_equal_task(TaskRef ref);
  std::string payload(const engine::PayloadAt& at) const;

  Chance chance_;
  engine::Live live_;
  std::vector<schema::Attempt> cut_off_;  // leases that were open when the transaction was terminated
  std::vector<Time> retries_;
  std::size_t signals_ = 0;
  Transaction model_;
};

}  // namespace dta::model
