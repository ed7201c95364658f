// Writing of a transaction's document (view_json.h). Pure.
#include "server/view_json.h"

#include "server/view_fields.h"

namespace dta::server {
namespace {

using namespace view;
using engine::Machine;
using engine::State;

void table(std::string& out, const Machine& machine, const State& state) {
  const schema::Definition& definition = machine.definition();
  text(out, "state", definition.states[state.table_state].name);
  key(out, "visited");
  out += '[';
  for (std::size_t i = 0; i < definition.states.size(); ++i) {
    if (!state.bits.test(machine.state_bit(i))) continue;
    if (out.back() != '[') out += ',';
    append_quoted(out, definition.states[i].name);
  }
  out += ']';
  key(out, "legal");
  out += '[';
  if (!state.ended()) {
    for (const std::uint32_t transition : machine.leaving(state.table_state)) {
      if (out.back() != '[') out += ',';
      append_quoted(out, definition.transitions[transition].on);
    }
  }
  out += ']';
}

void place(std::string& out, const Machine& machine, const schema::TaskRef& ref) {
  text(out, "step", machine.step(ref.step).name);
  text(out, "task", machine.task(ref).name);
  if (!machine.step(ref.step).for_each.empty()) number(out, "instance", ref.instance);
}

void incidents(std::string& out, const Machine& machine, const State& state) {
  key(out, "incidents");
  out += '[';
  for (const engine::Incident& incident : state.incidents) {
    out += out.back() == '[' ? "{" : ",{";
    number(out, "number", incident.number);
    if (schema::concerns_step(incident.kind)) {
      text(out, "step", machine.step(incident.task.step).name);
      text_or_null(out, "task", {});
    } else {
      place(out, machine, incident.task);
    }
    text(out, "kind", schema::to_string(incident.kind));
    text(out, "code", incident.code);
    text(out, "message", incident.message);
    truth(out, "open", incident.open);
    out += '}';
  }
  out += ']';
  key(out, "not_undone");
  out += '[';
  for (const schema::NotUndone& left : state.not_undone) {
    out += out.back() == '[' ? "{" : ",{";
    place(out, machine, left.task);
    text(out, "reason", schema::to_string(left.reason));
    out += '}';
  }
  out += ']';
}

}  // namespace

std::string view_json(const Machine& machine, const State& state, const ViewContext& context) {
  std::string out = "{";
  text(out, "id", state.id);
  number(out, "number", context.number.value);
  text(out, "definition", state.definition);
  number(out, "version", state.version);
  text(out, "form", state.form == schema::Form::steps ? "steps" : "table");
  text(out, "status", engine::status(state));
  text(out, "phase", engine::to_string(state.phase));
  truth(out, "attention", state.attention());
  truth(out, "paused", state.paused);
  text_or_null(out, "outcome", state.outcome_decided ? engine::outcome(state) : std::string_view());
  number(out, "sequence", state.sequence.value);
  number(out, "epoch", state.epoch);
  time(out, "started_at", state.started_at);
  time(out, "ended_at", state.ended_at);
  time(out, "expires_at", state.expires_at);
  pairs(out, "attributes", state.attributes);
  pairs(out, "headers", state.headers);
  payload(out, "input", state.input, context);
  payload(out, "output", state.output, context);
  key(out, "error");
  if (state.failure.code.empty()) {
    out += "null";
  } else {
    out += '{';
    text(out, "code", state.failure.code);
    text(out, "message", state.failure.message);
    const schema::TaskRef& at = state.failure.task;
    text_or_null(out, "step",
                 state.failure.has_step ? std::string_view(machine.step(at.step).name) : std::string_view());
    text_or_null(out, "task", state.failure.has_task ? std::string_view(machine.task(at).name) : std::string_view());
    out += '}';
  }
  text_or_null(out, "reason", state.reason);
  if (state.form == schema::Form::steps) {
    truth(out, "pivot_passed", state.bits.test(machine.bit(engine::TransactionBit::pivoted)));
    key(out, "cancel_requested");
    if (state.cancel) {
      out += '{';
      text(out, "reason", state.cancel->reason);
      text_or_null(out, "who", state.cancel->who);
      out += '}';
    } else {
      out += "null";
    }
    steps(out, machine, state, context);
    signals(out, machine, state, context);
  } else {
    table(out, machine, state);
  }
  incidents(out, machine, state);
  return out + '}';
}

}  // namespace dta::server
