// Writes definitions in JSON, for those who rather write C++. The text is what counts: publish it with Client::publish,
// keep it in a file, or never use this header. Faults are found by the server (or `dta def check`), not here.
//
//   dta::DefinitionBuilder order("order", 3);
//   order.expires_after("24h");
//   order.step("reserve").deadline("10m").task("stock", "inventory.reserve").undo("inventory.release");
//   client.publish(order.text());
//
// Members left out take the documented defaults. Arguments called `json` are one JSON value as text. Lengths of time
// are text such as "200ms", "10m", "24h". Builders are values of one thread; references to steps and tasks stay valid
// as long as their definition.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "dta/json.h"

namespace dta {

class TaskBuilder {
 public:
  TaskBuilder& input(std::string_view json);  // a template; the transaction's input when left out
  TaskBuilder& undo(std::string_view queue);
  TaskBuilder& max_attempts(std::uint32_t attempts);
  TaskBuilder& backoff(std::string_view first, double rate, std::string_view cap);
  TaskBuilder& attempt_timeout(std::string_view length);
  TaskBuilder& heartbeat(std::string_view length);
  TaskBuilder& queue_timeout(std::string_view length);
  TaskBuilder& total_timeout(std::string_view length);
  // Any other member, as JSON.
  TaskBuilder& member(std::string_view name, std::string_view json);

 private:
  friend class StepBuilder;
  std::string text() const;
  JsonObject members_, undo_, retry_, timeouts_;
};

class StepBuilder {
 public:
  TaskBuilder& task(std::string_view name, std::string_view queue);
  // What happens to the other tasks once one has failed for good: cancelled (the default) or left to settle first.
  StepBuilder& drain_siblings();
  StepBuilder& deadline(std::string_view length);
  // Any other member, as JSON.
  StepBuilder& member(std::string_view name, std::string_view json);

 private:
  friend class DefinitionBuilder;
  std::string text() const;
  JsonObject members_, join_;
  std::deque<TaskBuilder> tasks_;
};

// A definition in steps form.
class DefinitionBuilder {
 public:
  DefinitionBuilder(std::string_view name, std::uint32_t version);
  DefinitionBuilder& expires_after(std::string_view length);
  DefinitionBuilder& output(std::string_view json);
  StepBuilder& step(std::string_view name);
  std::string text() const;

 private:
  JsonObject members_;
  std::string output_;
  std::deque<StepBuilder> steps_;
};

// A definition in table form: states, and the events that lead from one to the next.
class TableBuilder {
 public:
  TableBuilder(std::string_view name, std::uint32_t version, std::string_view initial);
  TableBuilder& expires_after(std::string_view length);
  TableBuilder& cycles();  // states may be entered again
  TableBuilder& transition(std::string_view from, std::string_view on, std::string_view to);
  TableBuilder& completed(std::string_view state);   // an end
  TableBuilder& terminated(std::string_view state);  // an end
  std::string text() const;

 private:
  JsonObject members_, ends_;
  JsonArray transitions_;
};

}  // namespace dta
