// One transaction of the working set: its state and what the partition keeps beside it. And the shelf of definitions.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/decide.h"
#include "engine/machine.h"
#include "engine/pending.h"
#include "engine/transaction.h"
#include "schema/hash.h"
#include "schema/ids.h"
#include "server/requests.h"
#include "server/settings.h"

namespace dta::server {

// What ends by time: waits and polls. The function is called once, when its time has come.
using Ends = std::multimap<Time, std::function<void(Time)>>;

struct Entry {
  schema::TransactionNumber number;
  engine::MachinePtr machine;
  engine::State state;
  schema::Hash chain{};            // of its last record
  schema::Position last_position;  // of its last record
  std::string directory_key;       // where its row stands; empty: nowhere yet
  std::uint8_t priority = 0;       // as its start asked for
  bool closed = false;             // ended, and counted so

  // Not state: gone with the process, or told again by the log.
  engine::Beats beats;                // last heartbeats of open leases
  std::vector<engine::Ready> queued;  // what stood in the work queue after its last record: what was pending then
  std::vector<std::pair<schema::Position, schema::RecordedEvent>> recent_results;  // answers to leases, not yet durable
  std::map<schema::Sequence, std::pair<schema::Hash, Time>> last_details;  // heartbeat details as last logged, by lease

  // The definition that people know: steps in place of a task ("order/pay/refund") belong to the one they stand in.
  std::string definition_name() const {
    const std::string& name = machine->definition().name;
    return name.substr(0, name.find('/'));
  }

  // How the gauges count it.
  struct Tally {
    bool running = false, compensating = false, attention = false;
  };
  Tally tally;

  // Callers who wait for the outcome, in order of arrival; `end` is when they stop waiting.
  struct Waiter {
    std::function<void(const Error*)> release;  // null: the outcome is decided, or the time is over
    Ends::iterator end;
  };
  std::list<Waiter> waiters;
};

// What the log says of a lease: that it was handed out, the answer it got, or that it ended without one.
struct LeaseHistory {
  std::optional<schema::Attempt> attempt;  // nothing: no such lease was handed out
  std::optional<schema::Event> answer;
  bool timed_out = false;
  bool late_known = false;  // a late result of it is recorded
};

// A published definition, compiled.
struct Published {
  engine::MachinePtr machine;
  Time published_at;
};

// All published definitions, and the reserved transaction "$definition/NAME" that each name's log is.
class DefinitionShelf {
 public:
  // version 0: the newest.
  const Published* find(const std::string& name, std::uint32_t version) const;
  // What a start may take; version 0: the newest that is not deprecated. definition_not_found, deprecated.
  Result<const Published*> startable(const std::string& name, std::uint32_t version) const;
  void put(engine::MachinePtr machine, Time published_at);
  ReservedLog& reserved(const std::string& name) { return reserved_[name]; }
  const std::map<std::string, ReservedLog>& all_reserved() const { return reserved_; }

  // What people say of it; null when nothing was ever said.
  const DefinitionSettings* settings(const std::string& name) const;
  bool is_paused(const std::string& name) const;
  void apply(schema::DefinitionChanged event, Time at);
  const std::map<std::string, DefinitionSettings>& all_settings() const { return settings_; }
  const std::map<std::string, std::map<std::uint32_t, Published>>& all() const { return by_name_; }

 private:
  void put_in_place(const schema::Definition& definition, Time published_at);

  std::map<std::string, std::map<std::uint32_t, Published>> by_name_;
  std::map<std::string, std::map<std::uint32_t, Published>> in_place_;  // steps in place of a task: "order/pay/refund"
  std::map<std::string, ReservedLog> reserved_;
  std::map<std::string, DefinitionSettings> settings_;
};

}  // namespace dta::server
