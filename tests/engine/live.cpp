// See live.h.
#include "tests/engine/live.h"

#include <gtest/gtest.h>

#include "schema/assert.h"

namespace dta::engine {

MachinePtr machine_of(std::string_view text) {
  auto definition = schema::parse_definition(text);
  if (!definition) {
    for (const schema::Fault& fault : definition.error().faults)
      ADD_FAILURE() << fault.pointer << ": " << fault.message;
    ADD_FAILURE() << definition.error().message;
  }
  return std::make_shared<const Machine>(definition.value());
}

schema::Result<Decision> Live::run(const Command& command) {
  Inputs inputs{{}, beats, nullptr};
  for (const PayloadAt& at : needs(*machine, state, command)) inputs.payloads[at] = payloads.at(at);
  const State before = state;
  auto decision = decide(*machine, state, command, inputs, now);
  if (!decision) {
    EXPECT_EQ(state, before) << "a refused command changes nothing";
    return decision;
  }
  // The same arguments give the same decision.
  State again = before;
  const auto repeated = decide(*machine, again, command, inputs, now);
  EXPECT_TRUE(repeated && repeated->events == decision->events && again == state);

  for (const PayloadBytes& p : decision->payloads) {
    EXPECT_FALSE(p.bytes.empty());
    payloads[{Sequence(before.sequence.value + p.event + 1), p.index, static_cast<std::uint32_t>(p.bytes.size())}] =
        p.bytes;
  }
  for (const schema::Event& event : decision->events) {
    events.push_back({Sequence(events.size() + 1), now, event});
    // Every payload that an event names came with it, under its own digest.
    schema::for_each_payload(event, [&](const schema::PayloadRef& ref) {
      const auto found = payloads.find({events.back().sequence, ref.index, ref.size});
      EXPECT_TRUE(found != payloads.end() && schema::sha256(found->second) == ref.digest);
    });
  }
  std::erase_if(beats, [&](const Beat& beat) { return state.lease(beat.lease) == nullptr; });
  EXPECT_EQ(refold(), state) << "folding the events again gives the live state";
  return decision;
}

void Live::start(std::string input) {
  run(Start{"t-1", std::move(input), {}, {}, {}}).value();
}

Sequence Live::hand_out(TaskRef task, Action action) {
  run(HandOut{{{task, action}}, "worker", ""}).value();
  return state.leases.back().sequence;
}

schema::Status Live::report(Sequence lease, Outcome outcome) {
  auto decision = run(Report{{{lease, std::move(outcome)}}});
  DTA_ASSERT(decision.has_value() && decision->answers.size() == 1);
  return decision->answers.front();
}

State Live::refold() const {
  State folded;
  for (const schema::RecordedEvent& event : events) {
    const schema::Status legal = check(*machine, folded, event);
    EXPECT_TRUE(legal) << (legal ? "" : legal.error().message);
    if (!legal) break;
    evolve(*machine, folded, event);
  }
  return folded;
}

std::string kinds(const Decision& decision) {
  std::string text;
  for (const schema::Event& event : decision.events) {
    if (!text.empty()) text += ' ';
    text += to_string(kind_of(event));
  }
  return text;
}

}  // namespace dta::engine
