// A state as the bytes of a checkpoint: one list of fields serves writing and reading, so the two cannot differ. Pure.
#include "engine/state_codec.h"

#include "engine/archive.h"

namespace dta::schema {

template <class A>
void archive(A& a, Attribute& v) {
  archive(a, v.key);
  archive(a, v.value);
}
template <class A>
void archive(A& a, TaskRef& v) {
  engine::archive(a, v.step);
  engine::archive(a, v.task);
  engine::archive(a, v.instance);
}
template <class A>
void archive(A& a, Route& v) {
  engine::archive(a, v.kind);
  engine::archive(a, v.step);
  engine::archive(a, v.choice);
}
template <class A>
void archive(A& a, Pause& v) {
  engine::archive(a, v.from);
  engine::archive(a, v.to);
}
template <class A>
void archive(A& a, ResolvedTimeouts& v) {
  archive(a, v.task);
  engine::archive(a, v.queue);
  engine::archive(a, v.attempt);
  engine::archive(a, v.total);
  engine::archive(a, v.heartbeat);
}
template <class A>
void archive(A& a, NotUndone& v) {
  archive(a, v.task);
  engine::archive(a, v.reason);
}

}  // namespace dta::schema

namespace dta::engine {
namespace {

constexpr char kFormat = 4;

template <class A, class... T>
void fields(A& a, T&... values) {
  (archive(a, values), ...);
}

}  // namespace

template <class A>
void archive(A& a, PayloadAt& v) {
  fields(a, v.sequence, v.index, v.size);
}
template <class A>
void archive(A& a, TaskState& v) {
  fields(a, v.status, v.undo_status, v.undo_found, v.attempt, v.undo_attempt, v.generation, v.order, v.first_ready,
         v.since, v.at, v.undo_since, v.undo_at, v.undo_again, v.stopping, v.irreversible, v.left_behind, v.input,
         v.output, v.details, v.heartbeat, v.error_code);
}
template <class A>
void archive(A& a, Lease& v) {
  fields(a, v.task, v.action, v.attempt, v.sequence, v.leased_at, v.attempt_timeout, v.heartbeat_timeout, v.stop_asked,
         v.worker, v.poll_id);
}
template <class A>
void archive(A& a, Failure& v) {
  fields(a, v.has_step, v.has_task, v.task, v.code, v.message, v.details);
}
template <class A>
void archive(A& a, Spread& v) {
  fields(a, v.step, v.instances, v.first_task, v.first_bit);
}
template <class A>
void archive(A& a, KeptSignal& v) {
  fields(a, v.name, v.id, v.payload, v.step);
}
template <class A>
void archive(A& a, StepClocks& v) {
  fields(a, v.deadline, v.wait, v.wait_deadline);
}
template <class A>
void archive(A& a, std::optional<Asked>& v) {
  bool there = v.has_value();
  archive(a, there);
  if constexpr (A::kReading) v = there ? std::optional(Asked{}) : std::nullopt;
  if (there) fields(a, v->reason, v->who);
}
template <class A>
void archive(A& a, Incident& v) {
  fields(a, v.number, v.kind, v.task, v.code, v.message, v.open);
}
template <class A>
void archive(A& a, State& v) {
  fields(a, v.id, v.definition, v.version, v.form, v.phase, v.paused, v.sequence, v.epoch, v.started_at, v.ended_at,
         v.expires_at, v.attributes, v.headers, v.input, v.output, v.request_digest, v.bits, v.step, v.entered_at,
         v.clocks, v.route, v.tasks, v.spreads, v.own_timeouts, v.signals, v.pauses, v.cancel, v.leases, v.failure,
         v.handled, v.cause, v.reason, v.who, v.not_undone, v.incidents, v.table_state, v.outcome_decided);
}

std::string encode_state(const State& state) {
  Writer writer;
  writer.bytes.push_back(kFormat);
  State copy = state;  // archive() takes fields by reference for both directions
  archive(writer, copy);
  return std::move(writer.bytes);
}

std::optional<State> decode_state(std::string_view bytes) {
  if (bytes.empty() || bytes.front() != kFormat) return std::nullopt;
  Reader reader(bytes.substr(1));
  State state;
  archive(reader, state);
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  return state;
}

}  // namespace dta::engine
