// Which payloads a command may make decide() read: those of every step that may be entered, decided or ended by it,
// found by walking the definition forward. Errs on the side of yes: what is read in vain costs time, what is missing
// would be a bug. For a plain definition the walk is one step long. Pure.
#include <algorithm>

#include "engine/context.h"

namespace dta::engine {

using namespace schema;

namespace {

class Walk {
 public:
  Walk(const Machine& machine, const State& state) : m_(machine), s_(state), d_(machine.definition()) {
    entered_.resize(d_.steps.size());
  }

  // The join of the step may be decided either way.
  void decided(std::size_t index, bool may_meet) {
    const Step& step = d_.steps[index];
    if (may_meet) {
      choices(step.next);
      if (step.next.empty() || step.next.back().when) follow(index + 1);
    }
    if (!step.on_failure.empty()) choices(step.on_failure);
  }
  void follow(std::size_t index) {
    for (; index < d_.steps.size(); ++index) {
      const Step& step = d_.steps[index];
      if (step.when) reads_.add(*step.when);
      enter(index);
      if (!step.when) return;
    }
    end(d_.output);
  }
  void go(const Go& go) {
    if (go.kind == Go::Kind::step) enter(go.step);
    if (go.kind == Go::Kind::end) end(go.output ? go.output : d_.output);
  }
  // Tasks of the instance that wait for others may become ready; `anew`: also those that had settled, since the step is
  // tried again.
  void unblock(const TaskRef& ref, bool anew = false) {
    if (!m_.valid(s_, ref)) return;  // refused later
    const StepView step(m_, s_, ref.step);
    if (!step.rules().ordered()) return;
    for (std::size_t task = 0; task < step.rules().tasks.size(); ++task) {
      const std::size_t slot = step.slot({ref.step, static_cast<std::uint16_t>(task), ref.instance});
      if (step.task(slot).status == TaskStatus::blocked || (anew && !step.has(TaskBit::done, slot))) {
        task_reads(step.rules().tasks[task]);
        payload(step.task(slot).input);  // its element, for a for_each
      }
      payload(step.task(slot).output);
    }
  }

  std::vector<PayloadAt> take() {
    if (reads_.input) payload(s_.input);
    for (const auto& [step, task] : reads_.outputs) outputs(step, task);
    for (const KeptSignal& signal : s_.signals)
      if (reads_.signals.contains(signal.name) || reads_.signals.contains("")) payload(signal.payload);
    std::sort(refs_.begin(), refs_.end());
    refs_.erase(std::unique(refs_.begin(), refs_.end()), refs_.end());
    return std::move(refs_);
  }

 private:
  void payload(const PayloadAt& at) {
    if (at.present()) refs_.push_back(at);
  }
  void task_reads(const Task& task) {
    if (task.input) reads_.add(*task.input);
    if (task.when) reads_.add(*task.when);
    const TimeoutPointers& from = task.timeouts_from;
    for (const std::string* pointer : {&from.queue, &from.attempt, &from.total, &from.heartbeat})
      reads_.add_pointer(*pointer);
  }
  void choices(const std::vector<Choice>& list) {
    for (const Choice& choice : list) {
      if (choice.when) reads_.add(*choice.when);
      if (choice.go.kind == Go::Kind::follow) continue;
      go(choice.go);
    }
  }
  void end(const std::optional<Template>& output) {
    if (output) reads_.add(*output);
  }
  void enter(std::size_t index) {
    if (entered_[index]) return;
    entered_[index] = true;
    const Step& step = d_.steps[index];
    reads_.add_pointer(step.for_each);
    reads_.add_pointer(step.deadline.pointer);
    if (step.wait_for)
      for (const std::string* pointer :
           {&step.wait_for->until_pointer, &step.wait_for->duration.pointer, &step.wait_for->deadline.pointer})
        reads_.add_pointer(*pointer);
    for (const Task& task : step.tasks) task_reads(task);
    // It may be met as soon as it is entered: nothing to do, an empty array, every task skipped.
    const bool at_once = !step.for_each.empty() || std::all_of(step.tasks.begin(), step.tasks.end(),
                                                               [](const Task& t) { return t.when.has_value(); });
    decided(index, at_once);
  }
  void outputs(const std::string& step_name, const std::string& task_name) {
    for (std::size_t index = 0; index <= s_.step; ++index) {
      if (!step_name.empty() && d_.steps[index].name != step_name) continue;
      if (s_.failure.has_step && s_.failure.task.step == index) payload(s_.failure.details);
      for (const Failure& failure : s_.handled)
        if (failure.task.step == index) payload(failure.details);
      const StepView step(m_, s_, index);
      for (std::size_t slot = 0; slot < step.size(); ++slot) {
        const bool meant = task_name.empty() || step.rules(slot).name == task_name;
        if (meant) payload(step.task(slot).output);
        // What an attempt has left may become the step's error.
        if (index == s_.step && !step.has(TaskBit::done, slot)) payload(step.task(slot).details);
      }
    }
  }

  const Machine& m_;
  const State& s_;
  const Definition& d_;
  Reads reads_;
  std::vector<bool> entered_;
  std::vector<PayloadAt> refs_;
};

// Whether the command may meet the join of the step that is current.
bool may_meet(const StepView& step, const Command& command) {
  if (step.is(StepBit::met) || step.is(StepBit::failed)) return false;
  const auto* results = std::get_if<Report>(&command);
  if (results == nullptr) {
    // Time passing settles optional tasks and leftovers that are drained and ends waits, and never does a task's work.
    if (std::holds_alternative<Tick>(command))
      return step.rules().wait_for || step.rules().need.kind != Need::Kind::all ||
             std::any_of(step.rules().tasks.begin(), step.rules().tasks.end(),
                         [](const Task& t) { return t.optional || t.when; });
    return true;
  }
  const std::size_t open = step.size() - step.count(TaskBit::settled);
  const bool waits_for_all = step.rules().need.kind == Need::Kind::all || step.rules().leftover == Leftover::drain;
  // Where tasks come after others, a result may settle its whole instance: what follows is skipped or withdrawn.
  const std::size_t settled_by_each = step.rules().ordered() ? step.block().tasks : 1;
  return !waits_for_all || open <= results->items.size() * settled_by_each;
}

bool reads_nothing(const Command& command) {
  return std::holds_alternative<Start>(command) || std::holds_alternative<HandOut>(command) ||
         std::holds_alternative<ReportLate>(command) || std::holds_alternative<KeepHeartbeat>(command) ||
         std::holds_alternative<Cancel>(command) || std::holds_alternative<Terminate>(command) ||
         std::holds_alternative<Pause>(command) || std::holds_alternative<Resume>(command) ||
         std::holds_alternative<Append>(command);
}

}  // namespace

std::vector<PayloadAt> needs(const Machine& machine, const State& state, const Command& command) {
  if (state.form != Form::steps || state.phase != Phase::running || machine.definition().steps.empty()) return {};
  if (reads_nothing(command)) return {};
  Walk walk(machine, state);
  const StepView step(machine, state, state.step);
  if (const auto* results = std::get_if<Report>(&command)) {
    for (const Report::Item& item : results->items)
      if (const Lease* lease = state.lease(item.lease)) walk.unblock(lease->task);
  } else if (const auto* reports = std::get_if<ReportExternal>(&command)) {
    for (const ReportExternal::Item& item : reports->items) walk.unblock(item.task);
  } else if (const auto* child = std::get_if<ReportChild>(&command)) {
    walk.unblock(child->task);
  } else if (const auto* resolve = std::get_if<Resolve>(&command)) {
    if (resolve->incident - 1 < state.incidents.size()) {
      const Incident& incident = state.incidents[resolve->incident - 1];
      if (incident.kind == IncidentKind::pivot_unknown) walk.unblock(incident.task);
      // A person who forces it goes on where `next` has said no.
      if (incident.kind == IncidentKind::step_failed) walk.follow(incident.task.step + std::size_t{1});
      // The tasks of a step that is tried again may be ready at once, by way of those that are done.
      if (incident.kind == IncidentKind::step_failed)
        for (std::uint32_t i = 0; i < machine.block(state, incident.task.step).instances; ++i)
          walk.unblock({incident.task.step, 0, i}, true);
    }
  }
  if (step.is(StepBit::failed) && !step.is(StepBit::undone)) {
    if (state.route.kind == GoKind::step) walk.go(Go{Go::Kind::step, state.route.step, {}, {}, {}});
    if (state.route.kind == GoKind::end)
      walk.go(state.route.choice == kNoChoice ? Go{Go::Kind::end, 0, {}, {}, {}}
                                              : step.rules().on_failure[state.route.choice].go);
  } else if (!step.is(StepBit::met)) {
    walk.decided(state.step, may_meet(step, command));
  }
  return walk.take();
}

}  // namespace dta::engine
