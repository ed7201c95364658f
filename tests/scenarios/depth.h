// Where a scenario runs. Every depth answers the same questions with the same values, so that a script prints the same
// text at each of them. The answers are those of the partition's door (server/requests.h), because that is what callers
// see.
//
// core: decide() and evolve() over events in a vector, and the fewest lines around them that a caller needs (ids,
// queues). memory, leveldb: the real partition over a log, driven by one thread with the script's clock.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/machine.h"
#include "engine/transaction.h"
#include "server/requests.h"

namespace dta::scenarios {

using schema::Duration;
using schema::Result;
using schema::Time;

// An event of a transaction with the bytes it names, in order of for_each_payload.
struct Happened {
  std::string transaction;
  schema::DefinitionPtr definition;
  schema::RecordedEvent event;
  std::vector<std::string> payloads;
};

// A transaction as it stands, with what only the partition knows beside it.
struct Standing {
  engine::State state;
  schema::DefinitionPtr definition;
};

class Depth {
 public:
  virtual ~Depth() = default;

  virtual Result<server::PublishReply> publish(const schema::DefinitionPtr& definition, Time now) = 0;
  virtual Result<server::TransactionSummary> start(server::StartRequest request, Time now) = 0;
  virtual Result<server::LeaseReply> lease(server::Poll poll, Time now) = 0;
  virtual Result<server::ResultsReply> report(std::vector<server::TaskResult> results, Time now) = 0;
  virtual Result<server::HeartbeatReply> heartbeat(server::HeartbeatItem item, Time now) = 0;
  virtual Result<server::TransactionSummary> cancel(server::CancelRequest request, Time now) = 0;
  virtual Result<server::TransactionSummary> terminate(server::TerminateRequest request, Time now) = 0;
  virtual Result<server::TransactionSummary> resolve(server::ResolveRequest request, Time now) = 0;
  virtual Result<server::TransactionSummary> pause(server::PauseRequest request, Time now) = 0;
  virtual Result<server::TransactionSummary> resume(server::ResumeRequest request, Time now) = 0;
  virtual Result<server::TransactionSummary> signal(server::SignalRequest request, Time now) = 0;
  virtual Result<server::AppendReply> report_external(server::ReportRequest request, Time now) = 0;
  virtual Result<server::AppendReply> append(server::AppendRequest request, Time now) = 0;
  virtual Result<Standing> get(const std::string& id, Time now) = 0;

  // Fires what is due.
  virtual void tick(Time now) = 0;
  // Forgets everything that is not in the log and begins again from it.
  virtual void restart(Time now) = 0;

  // What happened since it was asked last, in order.
  virtual std::vector<Happened> happened() = 0;
};

// The script's clock begins here; depths are opened kGrace before, so that the grace after an opening is over.
inline constexpr Time kBegin{1'700'000'000'000};
inline constexpr Duration kGrace{30'000};

std::unique_ptr<Depth> make_core_depth();
std::unique_ptr<Depth> make_memory_depth();
std::unique_ptr<Depth> make_leveldb_depth();

}  // namespace dta::scenarios
