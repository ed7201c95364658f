// Writes definitions in JSON, for those who rather write C++. The text is what counts: publish it with Client::publish,
// keep it in a file, or never use this header. Faults are found by the server (or `dta def check`), not here.
//
//   dta::DefinitionBuilder order("order", 3);
//   order.expires_after("24h");
//   order.step("reserve").deadline("10m").task("stock", "inventory.reserve").undo("inventory.release");
//   order.step("approve").when(R"({">":[{"var":"input.total"},1000]})").wait_for_signal("decision").wait_deadline("7d")
//       .next(dta::Choice::compensate("refused").when(R"({"==":[{"var":"signals.decision"},"no"]})"));
//   client.publish(order.text());
//
// Members left out take the documented defaults. Arguments called `json` are one JSON value as text, conditions among
// them (JsonLogic). Lengths of time are text such as "200ms", "10m", "24h", or where the definition takes them from
// data a pointer such as "/input/patience". Builders are values of one thread; references to steps and tasks stay valid
// as long as their definition.
#pragma once

#include <cstdint>
#include <deque>
#include <initializer_list>
#include <string>
#include <string_view>

#include "dta/json.h"

namespace dta {

// Where a step goes on, for `next` and `on_failure`.
class Choice {
 public:
  static Choice go(std::string_view step);  // a later one; its `when` is not asked
  static Choice end();
  static Choice compensate(std::string_view code = {}, std::string_view message = {});
  Choice& when(std::string_view json);    // without: always
  Choice& output(std::string_view json);  // of end: a template; the definition's output when left out

 private:
  friend class StepBuilder;
  JsonObject members_;
};

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
  TaskBuilder& when(std::string_view json);                           // the task is skipped when it does not hold
  TaskBuilder& after(std::initializer_list<std::string_view> tasks);  // of the same step, to be done or skipped first
  TaskBuilder& optional();                                            // never fails the join
  TaskBuilder& weight(std::uint32_t weight);                          // toward a need by weight; 1 when left out
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
  // Reported by name by whoever does it (Client::report_external); it has no queue.
  TaskBuilder& external_task(std::string_view name);

  // The join. Without any of these: every task that is not optional.
  StepBuilder& need_any();
  StepBuilder& need_at_least(std::uint32_t tasks);
  StepBuilder& need_weight(std::uint32_t weight);
  StepBuilder& need_share(double share);  // of the tasks present, in (0, 1]
  // What happens to the other tasks once one has failed for good: cancelled (the default) or left to settle first.
  StepBuilder& drain_siblings();
  // What happens to the tasks still open when the join is met: cancelled (the default), waited for, or left running.
  StepBuilder& drain_leftover();
  StepBuilder& keep_leftover();
  StepBuilder& ignore_late_success();  // instead of undoing it
  StepBuilder& deadline(std::string_view length);

  // The way through the steps. Choices are asked in the order of the calls.
  StepBuilder& when(std::string_view json);  // the step is skipped when it does not hold
  StepBuilder& next(const Choice& choice);
  StepBuilder& on_failure(const Choice& choice);
  StepBuilder& pivot();  // once it is met there is no way back

  StepBuilder& for_each(std::string_view pointer);  // one instance of the tasks for each element
  StepBuilder& at_once(std::uint32_t tasks);        // handed out at a time

  // What it waits for beside its tasks: signals (all of them) or a time.
  StepBuilder& wait_for_signal(std::string_view name);
  StepBuilder& wait_for_signals(std::initializer_list<std::string_view> names);
  StepBuilder& wait_until(std::string_view time);  // RFC 3339, or a pointer
  StepBuilder& wait_for_duration(std::string_view length);
  StepBuilder& wait_deadline(std::string_view length);
  StepBuilder& continue_on_deadline();  // instead of failing
  // Any other member, as JSON.
  StepBuilder& member(std::string_view name, std::string_view json);

 private:
  friend class DefinitionBuilder;
  std::string text() const;
  StepBuilder& need(std::string_view json);
  JsonObject members_, join_, wait_;
  JsonArray next_, on_failure_;
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
