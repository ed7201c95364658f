// What events mean for tasks beside the one they name: settling and what it cascades to, stopping a step's open tasks,
// undos becoming ready. Part of evolve(), which alone changes a state; private to this folder.
#pragma once

#include <optional>

#include "engine/step_view.h"

namespace dta::engine {

inline constexpr const char* kNeedUnreachable = "dta.need_unreachable";
inline constexpr const char* kFewerThanNeeded = "the join needs more than the tasks that are there can give";

class Settler {
 public:
  Settler(const Machine& machine, State& state, Sequence sequence, Time at)
      : m_(machine), s_(state), sequence_(sequence), at_(at) {}

  bool has(TaskBit b, const TaskRef& ref) const { return s_.bits.test(m_.bit(s_, b, ref)); }
  void set(TaskBit b, const TaskRef& ref) { s_.bits.set(m_.bit(s_, b, ref)); }
  TaskState& task(const TaskRef& ref) { return s_.tasks[m_.flat(s_, ref)]; }
  PayloadAt place(const schema::PayloadRef& ref) const {
    return ref.present() ? PayloadAt{sequence_, ref.index, ref.size} : PayloadAt{};
  }

  // The task may be handed out; an external one is at work from here on.
  void make_ready(const TaskRef& ref);
  // The outcome over all attempts: unknown if any attempt ended unknown, else failed if any was handed out, else
  // `or_else`. A task of a pivot that would be unknown is held instead.
  void settle_without_success(const TaskRef& ref, const std::string& code, const std::string& message,
                              const PayloadAt& details = {}, TaskBit or_else = TaskBit::withdrawn);
  // With this outcome, whatever its attempts were: done, failed or unknown.
  void settle(const TaskRef& ref, TaskBit outcome, const std::string& code, const std::string& message,
              const PayloadAt& details = {});
  // Fewer tasks are there than the join needs: that decides, whatever fails after it.
  void note_unreachable(std::size_t step);
  // What is not handed out is withdrawn (or settles as what its earlier attempts were); what is handed out is asked to
  // stop; what is outside is given up.
  void stop_open_tasks(std::size_t step);
  // Nobody is waited for any more: a lease that was open may have acted, and what its worker still sends is late. An
  // undo that was under way is not acknowledged, and is handed out no more.
  void settle_everything();
  // Awaited signals that have arrived and are not used up.
  void consume_signals();
  // Undos become ready as soon as they are due and their tasks have settled: those of the step whose turn it is, in a
  // compensation or because `on_failure` leads past it, and at any time after a met join those of tasks that it did not
  // count. Inside a step a task waits for those that come after it. After an event that concerns only the instance of
  // `within`, no other instance can hold one that is due and was not before.
  void ready_undos(const std::optional<TaskRef>& within);

 private:
  void withdraw_followers(const TaskRef& ref);
  static bool clean_behind(const StepView& step, std::size_t slot);
  void ready_undos_of(const StepView& step, std::size_t first, std::size_t last, bool counted_too);

  const Machine& m_;
  State& s_;
  const Sequence sequence_;
  const Time at_;
};

}  // namespace dta::engine
