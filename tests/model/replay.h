// A log replayed through the model: every event must be what the model does when it is given the cause of it (a result,
// a timer that is due, a hand-out of something ready), and every consequence must stand in the same record as its
// cause; what was chosen from data the model chooses again, from the payloads. So a log that replays was decided by the
// rules, whoever decided it. Pure.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/model/model.h"

namespace dta::model {

struct Logged {
  std::size_t record = 0;  // events of one append have the same number
  schema::RecordedEvent event;
};

class Replay {
 public:
  using PayloadOf = std::function<std::string(Sequence, std::uint32_t index)>;
  Replay(schema::DefinitionPtr definition, PayloadOf payload);
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

  // The first thing that is wrong, as a sentence; nothing when the whole log follows from the rules.
  std::optional<std::string> run(const std::vector<Logged>& events);
  const Transaction& transaction() const { return transaction_; }

 private:
  // Gives the model the cause that the event tells of; a sentence when the model will not have it.
  std::optional<std::string> cause(const schema::RecordedEvent& event);

  // What was decided from payloads, told otherwise than the model decides it.
  std::optional<std::string> difference(const schema::RecordedEvent& event) const;

  const schema::DefinitionPtr definition_;
  const PayloadOf payload_;
  std::optional<Time> retry_at_;  // of the event being replayed, until the model has asked for it
  std::optional<std::string> wrong_retry_;
  mutable std::set<TaskRef> ready_before_;  // tasks whose turn after others has come once
  Transaction transaction_;
};

}  // namespace dta::model
