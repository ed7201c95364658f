// What the partition is asked and what it answers: plain values, no JSON, no sockets. The HTTP floor turns bodies into
// these and these into bodies; tests and the simulator make them directly.
//
// A reply is called exactly once, on the partition's thread, after everything it tells of is durable (`outcome_unknown`
// is the exception that says so). It must not block and must not call back into the partition.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/transaction.h"
#include "schema/definition.h"
#include "schema/error.h"
#include "schema/event.h"

namespace dta::server {

using schema::Duration;
using schema::Error;
using schema::Result;
using schema::Time;

template <class Reply>
using ReplyTo = std::function<void(Result<Reply>)>;

// ---- definitions
struct PublishReply {
  std::string name;
  std::uint32_t version = 0;
  schema::Hash digest{};
  bool created = false;
};
struct PublishRequest {
  schema::DefinitionPtr definition;
  ReplyTo<PublishReply> reply;
};

struct DefinitionInfo {
  schema::DefinitionPtr definition;
  Time published_at;
  bool paused = false;      // with all its versions
  bool deprecated = false;  // takes no new start
};
struct DefinitionsReply {
  std::vector<DefinitionInfo> definitions;  // by name, then version
};
// With a name and version (0: the newest) the one asked for, or definition_not_found; without a name all of them.
struct DefinitionsRequest {
  std::string name;
  std::uint32_t version = 0;
  ReplyTo<DefinitionsReply> reply;
};

// ---- settings of queues and definitions
// What stands from an event of a reserved transaction on, and where in its history.
template <class Change>
struct ChangeReply {
  Change settings;
  std::uint64_t sequence = 0;
  Time changed_at;
};
enum class QueueAct : std::uint8_t { set_limits, pause, resume };
struct ChangeQueueRequest {
  std::string queue;
  QueueAct act = QueueAct::set_limits;
  schema::QueueRate rate;         // set_limits: 0 per 1000 s: none
  std::uint32_t concurrency = 0;  // set_limits: 0: none
  std::string reason, who;
  std::string request_id;  // empty: not repeatable
  ReplyTo<ChangeReply<schema::QueueChanged>> reply;
};
enum class DefinitionAct : std::uint8_t { pause, resume, deprecate, restore };
struct ChangeDefinitionRequest {
  std::string name;
  DefinitionAct act = DefinitionAct::pause;
  std::uint32_t version = 0;  // deprecate, restore
  std::string reason, who;
  std::string request_id;  // empty: not repeatable
  ReplyTo<ChangeReply<schema::DefinitionChanged>> reply;
};
struct QueueInfo {
  schema::QueueChanged settings;
  Time changed_at;  // 0: nothing was ever said of it
  std::size_t ready = 0, leased = 0, waiting_polls = 0;
};
struct QueuesReply {
  std::vector<QueueInfo> queues;  // by name
};
// One queue, known or not; or, without a name, all that have settings, work or polls.
struct QueuesRequest {
  std::string queue;
  ReplyTo<QueuesReply> reply;
};

// ---- transactions
struct FailureSummary {
  std::string code, message, step, task;  // step and task are names, empty when not of one
};
struct TransactionSummary {
  std::string id, definition;
  std::uint32_t version = 0;
  std::string_view status, phase;
  std::optional<std::string_view> outcome;
  std::uint64_t sequence = 0;
  std::optional<std::string> output;  // raw JSON, once completed
  std::optional<FailureSummary> error;
  bool created = false;  // of a start: started by this very request
};
struct StartRequest {
  std::string id, definition;
  std::optional<std::uint32_t> version;
  std::string input;  // raw JSON; empty: none
  std::vector<schema::Attribute> attributes, headers;
  schema::Hash digest{};  // over definition name, input, attributes and headers as canonical JSON (server/digest.h)
  Duration wait;          // 0: answer once it is durable; else once its outcome is decided, or after this long
  ReplyTo<TransactionSummary> reply;
  std::uint8_t priority = 0;  // 0 to kPriorityMax; not part of the digest
};

// The state at a record end that is durable; payloads are read by whoever formats it.
struct TransactionReply {
  schema::TransactionNumber number;
  engine::State state;
  schema::DefinitionPtr definition;
};
struct GetRequest {
  std::string id;
  Duration wait;  // as in StartRequest
  ReplyTo<TransactionReply> reply;
};

struct CancelRequest {
  std::string id, reason, who;
  std::string request_id;  // empty: not repeatable
  ReplyTo<TransactionSummary> reply;
};

// Stops at once, undoes nothing.
struct TerminateRequest {
  std::string id, reason, who;
  std::string request_id;  // empty: not repeatable
  ReplyTo<TransactionSummary> reply;
};

struct ResolveRequest {
  std::string id;
  std::uint32_t incident = 1;
  schema::IncidentResolution resolution = schema::IncidentResolution::retry;
  std::string reason, who;
  std::string request_id;  // empty: not repeatable
  ReplyTo<TransactionSummary> reply;
};

// Nothing is handed out until it is resumed.
struct PauseRequest {
  std::string id, reason, who;
  std::string request_id;  // empty: not repeatable
  ReplyTo<TransactionSummary> reply;
};
struct ResumeRequest {
  std::string id, reason, who;
  std::string request_id;  // empty: not repeatable
  ReplyTo<TransactionSummary> reply;
};

struct SignalRequest {
  std::string id, name;
  std::string request_id;  // the signal's own id
  std::string payload;     // raw JSON; empty: none
  ReplyTo<TransactionSummary> reply;
};

struct NewTransition {
  std::string id;  // empty: none
  std::string on;
  std::string data;  // raw JSON; empty: none
};
enum class Expect : std::uint8_t { any, none, exactly };
struct AppendReply {
  std::uint64_t first_sequence = 0, sequence = 0;
  std::string state;  // table form; empty: it has none
  std::string_view status, phase;
  bool repeated = false;
};
struct AppendRequest {
  std::string id;
  Expect expect = Expect::any;
  std::uint64_t expected_sequence = 0;  // with Expect::exactly
  std::vector<NewTransition> events;
  ReplyTo<AppendReply> reply;
};

// Results as workers report them, by token, and participants, by name.
struct CompletedResult {
  std::string output;              // raw JSON; empty: none
  std::optional<bool> found = {};  // undo only: whether there was something to undo; nothing: it did not say
};
struct FailedResult {
  std::string code, message, details;
  bool retryable = true;
  schema::Effect effect = schema::Effect::none;
};
struct ReleasedResult {
  Duration delay;
};

// What became of an external task.
struct NewReport {
  std::string id;  // empty: none
  std::string step, task;
  std::uint32_t instance = 0;
  std::variant<CompletedResult, FailedResult> result;
};
struct ReportRequest {
  std::string id;
  Expect expect = Expect::any;
  std::uint64_t expected_sequence = 0;  // with Expect::exactly
  std::vector<NewReport> reports;
  ReplyTo<AppendReply> reply;
};

// ---- work
struct Poll {
  std::vector<std::string> queues;
  std::size_t max = 1;
  Duration wait;
  std::string worker;
  std::string poll_id;  // empty: not repeatable
};
struct HandOut {
  std::string token, transaction, definition, step, task, queue, idempotency_key;
  std::uint32_t version = 0, instance = 0, attempt = 1, generation = 1, order = 1;
  bool spread = false;  // one of many, of a for_each: `instance` is its element
  schema::Action action = schema::Action::perform;
  Time lease_until;                   // lease_ms = this - now, when it is written
  Duration heartbeat;                 // 0: none
  std::string input;                  // raw JSON; empty: null
  std::optional<std::string> output;  // undo only: what the action gave, when known
  std::optional<std::string> heartbeat_detail;
  std::vector<schema::Attribute> headers;
};
struct LeaseReply {
  std::vector<HandOut> tasks;
};
struct LeaseRequest {
  Poll poll;
  std::function<bool()> alive = {};  // false once the caller has gone: nothing is handed out to it any more
  ReplyTo<LeaseReply> reply;
};

struct TaskResult {
  std::string token;
  std::variant<CompletedResult, FailedResult, ReleasedResult> result;
};
struct ResultsReply {
  std::vector<schema::Status> results;  // one an item, in order
  std::vector<HandOut> tasks;           // with then_lease
};
struct ResultsRequest {
  std::vector<TaskResult> results;
  std::optional<Poll> then_lease;
  std::function<bool()> alive = {};
  ReplyTo<ResultsReply> reply;
};

struct HeartbeatItem {
  std::string token;
  std::string detail;  // raw JSON; empty: none
};
struct HeartbeatAnswer {
  Time lease_until;
  bool stop = false;
};
struct HeartbeatReply {
  std::vector<Result<HeartbeatAnswer>> results;
};
struct HeartbeatRequest {
  std::vector<HeartbeatItem> leases;
  ReplyTo<HeartbeatReply> reply;
};

// Ask to be called once the durable position is beyond `after` (followers), or when `wait` has passed.
struct WaitReply {
  schema::Position durable;
};
struct WaitRequest {
  schema::Position after;
  Duration wait;
  ReplyTo<WaitReply> reply;
};

using Request = std::variant<PublishRequest, DefinitionsRequest, StartRequest, GetRequest, CancelRequest,
                             TerminateRequest, ResolveRequest, PauseRequest, ResumeRequest, SignalRequest,
                             AppendRequest, ReportRequest, LeaseRequest, ResultsRequest, HeartbeatRequest, WaitRequest,
                             ChangeQueueRequest, ChangeDefinitionRequest, QueuesRequest>;

}  // namespace dta::server
