// A second opinion on a log: whether every event of it follows from the rules, and what they say is left and was handed
// in. The reference model is one (tests/simulation/model_judge.cpp); without one a world checks what can be seen from
// outside. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "schema/definition.h"
#include "schema/event.h"

namespace dta::simulation {

// An event with the record it stands in: events of one append have the same number.
struct Logged {
  std::size_t record = 0;
  schema::RecordedEvent event;
};
using Events = std::vector<Logged>;
using PayloadOf = std::function<std::string(schema::Sequence, std::uint32_t index)>;

class Judge {
 public:
  virtual ~Judge() = default;
  // The first thing that is wrong, as a sentence; nothing when the whole log follows from the rules.
  virtual std::optional<std::string> run(const Events& events) = 0;
  // After that: what was not undone and should have been, and the input that the definition gives a task.
  virtual std::vector<schema::TaskRef> not_undone() const = 0;
  virtual std::string input(const schema::TaskRef& task) const = 0;
};
using MakeJudge = std::function<std::unique_ptr<Judge>(const schema::DefinitionPtr&, PayloadOf)>;

}  // namespace dta::simulation
