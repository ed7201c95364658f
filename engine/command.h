// What can be asked of a transaction. Commands are imperative and may be refused; what they cause are events.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/transaction.h"
#include "schema/event.h"

namespace dta::engine {

struct Start {
  std::string id;
  std::string input;  // raw JSON; empty: none
  std::vector<Attribute> attributes, headers;
  schema::Hash request_digest{};
};

// Hand tasks out. Each must be ready (pending() said so); the partition never asks for more than a poll wants.
struct HandOut {
  struct Item {
    TaskRef task;
    Action action = Action::perform;
  };
  std::vector<Item> items;
  std::string worker, poll_id;
};

struct Completed {
  std::string output;              // raw JSON; empty: none
  std::optional<bool> found = {};  // undo only; nothing: it did not say
};
struct Failed {
  std::string code, message;
  std::string details;  // raw JSON; empty: none
  bool retryable = true;
  schema::Effect effect = schema::Effect::none;
};
struct Released {
  Duration delay;
};
using Outcome = std::variant<Completed, Failed, Released>;

// Results of open leases, judged in order. Decision::answers has one for each; a lease that is not open is stale_lease.
struct Report {
  struct Item {
    Sequence lease;
    Outcome outcome;
  };
  std::vector<Item> items;
};

// A result whose lease has ended without it, found by the caller in the log.
struct ReportLate {
  schema::Attempt attempt;
  Outcome outcome;
};

// A heartbeat whose detail changed and is to be kept for the next attempt.
struct KeepHeartbeat {
  Sequence lease;
  std::string detail;  // raw JSON
};

// Fire whatever is due.
struct Tick {};

struct Cancel {
  std::string reason, who;
};

// Stops at once: nothing is undone, the terminal event names what may have happened.
struct Terminate {
  std::string reason, who;
};

struct Resolve {
  std::uint32_t incident = 1;
  schema::IncidentResolution resolution = schema::IncidentResolution::retry;
  std::string reason, who;
};

// Steps form: something that people or systems outside say, once for each id.
struct Signal {
  std::string name, signal_id;
  std::string payload;  // raw JSON; empty: none
};

// What a participant reports of an external task: Completed or Failed, in order. Accepted also when the task has
// settled: it is late then.
struct ReportExternal {
  struct Item {
    TaskRef task;
    Outcome outcome;
  };
  std::optional<Sequence> expected;
  std::vector<Item> items;
};

// What became of a child transaction, or of its compensation. Once: what was reported before changes nothing.
struct ReportChild {
  TaskRef task;
  Action action = Action::perform;
  Outcome outcome;
  bool irreversible = false;  // it completed past a pivot
  bool left_behind = false;   // it names something as not undone
};

// Of a child that has completed: its parent goes back.
struct UndoChild {
  std::string reason;
};

struct Pause {
  std::string reason, who;
};
struct Resume {
  std::string reason, who;
};

// Table form. `expected`: the sequence the caller believes in; nothing: any.
struct Append {
  struct Item {
    std::string event_id, on, data;
  };
  std::optional<Sequence> expected;
  std::vector<Item> items;
};

using Command = std::variant<Start, HandOut, Report, ReportLate, KeepHeartbeat, Tick, Cancel, Terminate, Resolve,
                             Signal, ReportExternal, ReportChild, UndoChild, Pause, Resume, Append>;

}  // namespace dta::engine
