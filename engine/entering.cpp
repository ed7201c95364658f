// Entering a step, and tasks that become ready inside it: whatever depends on payloads is read here once and fixed in
// the event, so that every attempt and the undo see the same.
#include "engine/context.h"
#include "engine/decider.h"
#include "engine/join.h"
#include "schema/json.h"
#include "schema/limits.h"

namespace dta::engine {

using namespace schema;

namespace {

constexpr const char* kUnresolved = "dta.input_unresolved";

// "5m", or a number of milliseconds.
std::optional<Duration> length_at(const Context& context, const std::string& pointer) {
  const auto raw = context.find(pointer);
  if (!raw) return std::nullopt;
  const JsonValue value{*raw};
  if (const auto text = value.string()) return parse_duration(*text);
  const auto ms = value.integer();
  return ms && *ms >= 0 && *ms <= kDurationMax.ms ? std::optional(Duration{*ms}) : std::nullopt;
}

std::optional<Time> time_at(const Context& context, const std::string& pointer) {
  const auto raw = context.find(pointer);
  const auto text = raw ? JsonValue{*raw}.string() : std::nullopt;
  return text ? parse_time(*text) : std::nullopt;
}

// What one entry needs from the data; `fault` says what was missing.
struct Entry {
  StepEntered event;
  std::vector<std::string> inputs;  // one for each of event.inputs
  std::optional<Failure> fault;
};

class Entering {
 public:
  Entering(Decider& d, std::size_t index) : d_(d), step_(d.m.step(index)), context_(d) {
    entry_.event.step = static_cast<std::uint16_t>(index);
  }

  Entry run() && {
    if (step_.for_each.empty()) {
      tasks(0, {});
    } else {
      fan_out();
    }
    clocks();
    return std::move(entry_);
  }

 private:
  void fault(const char* code, std::string message) {
    if (!entry_.fault)
      entry_.fault = Failure{true, false, TaskRef{entry_.event.step, 0, 0}, code, std::move(message), {}};
  }

  void fan_out() {
    const auto source = context_.find(step_.for_each);
    if (!source || JsonValue{*source}.kind() != JsonKind::array)
      return fault(kUnresolved, "`" + step_.for_each + "` is no array");
    const auto list = elements(JsonValue{*source});
    if (list.size() > limits::kTasksPerStepMax || list.size() * step_.tasks.size() > limits::kTasksMax)
      return fault("dta.too_many_instances", "`" + step_.for_each + "` has " + std::to_string(list.size()) +
                                                 " elements; at most " + std::to_string(limits::kTasksPerStepMax) +
                                                 " instances and " + std::to_string(limits::kTasksMax) +
                                                 " tasks are allowed in one step");
    entry_.event.instances = static_cast<std::uint32_t>(list.size());
    for (std::uint32_t i = 0; i < list.size() && !entry_.fault; ++i) tasks(i, list[i].raw);
  }

  void tasks(std::uint32_t instance, std::string_view element) {
    context_.inside(entry_.event.step, instance, element);
    for (std::uint16_t i = 0; i < step_.tasks.size(); ++i) {
      const Task& task = step_.tasks[i];
      const TaskRef ref{entry_.event.step, i, instance};
      if (!task.after.empty()) {
        if (!element.empty()) input(ref, std::string(element));
        continue;
      }
      if (task.when && !context_.holds(*task.when)) {
        entry_.event.skipped.push_back(ref);
        continue;
      }
      if (task.input) {
        auto resolved = resolve(*task.input, context_);
        if (!resolved) return fault_of(ref, resolved.error().message);
        input(ref, std::move(*resolved));
      } else if (!element.empty()) {
        input(ref, std::string(element));
      }
      if (!task.timeouts_from.any()) continue;
      const auto own = resolve_timeouts(context_, task, ref);
      if (!own) return fault_of(ref, "a timeout that is read from data is no length of time");
      entry_.event.timeouts.push_back(*own);
    }
  }
  void fault_of(const TaskRef& ref, std::string message) {
    if (!entry_.fault) entry_.fault = Failure{true, true, ref, kUnresolved, std::move(message), {}};
  }
  void input(const TaskRef& ref, std::string json) {
    entry_.event.inputs.push_back(ResolvedInput{ref.task, ref.instance, {}});
    entry_.inputs.push_back(std::move(json));
  }

  void clocks() {
    if (!step_.deadline.pointer.empty()) set(entry_.event.deadline, length_at(context_, step_.deadline.pointer));
    if (!step_.wait_for) return;
    const Wait& wait = *step_.wait_for;
    if (!wait.deadline.pointer.empty()) set(entry_.event.wait_deadline, length_at(context_, wait.deadline.pointer));
    if (!wait.duration.pointer.empty()) set(entry_.event.wait, length_at(context_, wait.duration.pointer));
    std::optional<Time> until = wait.until;
    if (!wait.until_pointer.empty()) until = time_at(context_, wait.until_pointer);
    if (until)
      entry_.event.wait = Duration{std::max<std::int64_t>(0, until->ms - d_.now.ms)};
    else if (!wait.until_pointer.empty())
      fault(kUnresolved, "`" + wait.until_pointer + "` is no time");
  }
  void set(std::optional<Duration>& out, std::optional<Duration> found) {
    out = found;
    if (!found) fault(kUnresolved, "a deadline or wait that is read from data is no length of time");
  }

 public:
  static std::optional<ResolvedTimeouts> resolve_timeouts(const Context& context, const Task& task,
                                                          const TaskRef& ref) {
    ResolvedTimeouts own{ref, task.timeouts.queue, task.timeouts.attempt, task.timeouts.total, task.timeouts.heartbeat};
    const TimeoutPointers& from = task.timeouts_from;
    for (const auto& [pointer, out] :
         {std::pair{&from.queue, &own.queue}, std::pair{&from.attempt, &own.attempt},
          std::pair{&from.total, &own.total}, std::pair{&from.heartbeat, &own.heartbeat}}) {
      if (pointer->empty()) continue;
      const auto found = length_at(context, *pointer);
      if (!found || (out == &own.attempt && found->ms == 0)) return std::nullopt;
      *out = *found;
    }
    return own;
  }

 private:
  Decider& d_;
  const Step& step_;
  Context context_;
  Entry entry_;
};

}  // namespace

void enter_step(Decider& d, std::size_t index) {
  Entry entry = Entering(d, index).run();
  if (entry.fault) {
    StepEntered event{static_cast<std::uint16_t>(index), {}};
    event.instances = d.m.step(index).for_each.empty() ? 0 : entry.event.instances;
    event.unresolved = true;
    d.emit(std::move(event));
    fail_entry(d, *entry.fault);
    return;
  }
  for (std::size_t i = 0; i < entry.inputs.size(); ++i)
    entry.event.inputs[i].input = d.attach(std::move(entry.inputs[i]), static_cast<std::uint32_t>(i));
  const bool waited = d.m.step(index).wait_for && d.m.step(index).wait_for->signals.empty() &&
                      entry.event.wait.value_or(d.m.step(index).wait_for->duration.fixed).ms == 0;
  d.emit(std::move(entry.event));
  if (waited) d.emit(WaitEnded{static_cast<std::uint16_t>(index), WaitEnd::time});
  // Nothing was handed out yet, so there is nothing that siblings could drain.
  if (!reachable(StepView(d.m, d.s, index))) fail_entry(d, need_unreachable(index));
}

void ready_blocked(Decider& d, const StepView& step, std::size_t slot) {
  const Task& task = step.rules(slot);
  const TaskRef ref = step.ref(slot);
  const TaskState& t = step.task(slot);
  // It was ready before a person had its step tried again: its context is fixed.
  if (t.first_ready != Time{}) {
    d.emit(TaskReady{ref, {}, {}});
    return;
  }
  const bool spread = !step.rules().for_each.empty();
  Context context(d);
  context.inside(step.index(), ref.instance, spread ? d.bytes(t.input) : std::string_view());
  if (task.when && !context.holds(*task.when)) {
    d.emit(TaskSkipped{ref});
    return;
  }
  TaskReady event{ref, {}, {}};
  std::string message;
  std::string input;
  if (task.input) {
    auto resolved = resolve(*task.input, context);
    if (resolved)
      input = std::move(*resolved);
    else
      message = resolved.error().message;
  }
  if (message.empty() && task.timeouts_from.any()) {
    event.timeouts = Entering::resolve_timeouts(context, task, ref);
    if (!event.timeouts) message = "a timeout that is read from data is no length of time";
  }
  if (message.empty()) {
    event.input = d.attach(std::move(input));
    d.emit(std::move(event));
  } else if (step.is(StepBit::met)) {
    d.emit(TaskSkipped{ref});  // a leftover: there is no join left that could fail for it
  } else {
    fail_entry(d, Failure{true, true, ref, kUnresolved, std::move(message), {}});
  }
}

}  // namespace dta::engine
