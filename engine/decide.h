// decide(): the engine's one question. Given a machine, a state, a command and the time, which events happen? No clock,
// no disk, no thread, no chance: the same arguments always give the same decision.
//
// The state is changed only by evolve() over events that are also returned. When a command is refused, neither
// happened.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/command.h"
#include "engine/machine.h"
#include "engine/transaction.h"
#include "schema/error.h"

namespace dta::engine {

// The last heartbeat of an open lease. Not state: the partition keeps it beside the lease (semantics section 9).
struct Beat {
  Sequence lease;
  Time at;
};
// In order of their leases, one for each: there may be ten thousand, and every end of a lease looks for its own.
using Beats = std::vector<Beat>;
void keep_beat(Beats& beats, const Beat& beat);
const Beat* find_beat(const Beats& beats, Sequence lease);

// What people have set for more than one transaction: when its definition and each queue were paused. Events of
// reserved transactions; the partition keeps them, and holds back what is paused now. Here they hold the timers.
struct Settings {
  const schema::Pauses* definition = nullptr;  // never null where Settings are given
  std::function<const schema::Pauses&(const std::string& queue)> queue;
};

struct Inputs {
  std::map<PayloadAt, std::string> payloads;  // what needs() asked for
  Beats beats;
  const Settings* settings = nullptr;  // null: nothing was ever paused
};

// Bytes that the event `event` (index into Decision::events) names with `index`.
struct PayloadBytes {
  std::size_t event = 0;
  std::uint32_t index = 0;
  std::string bytes;
};

struct Decision {
  std::vector<schema::Event> events;
  std::vector<PayloadBytes> payloads;
  std::vector<schema::Status> answers;  // of a Report: one an item
};

// Payloads that decide() may have to read for this command, beyond those the command brings itself.
std::vector<PayloadAt> needs(const Machine& machine, const State& state, const Command& command);

// Events get sequences state.sequence + 1, + 2, ... and recorded_at = now. Refusals: closed, past_pivot, stale_lease,
// wrong_sequence, illegal_event, reserved_kind, unknown_signal, incident_not_found.
schema::Result<Decision> decide(const Machine& machine, State& state, const Command& command, const Inputs& inputs,
                                Time now);

// When a lease ends: min(handed out + attempt, last heartbeat + heartbeat).
Time lease_until(const Lease& lease, const Beats& beats);

}  // namespace dta::engine
