// The client: publish definitions, start transactions, read them, append to them. Every call is one request of
// docs/http_api.md, waits for its answer, and throws dta::Error when there is none or it is a refusal.
//
// Sending again is safe, and the client does it by itself: every changing call carries an id (yours, or one made here),
// so that a request whose answer was lost takes effect once. Codes with Error::may_retry() are sent again with growing
// pauses until Options::retry_for has passed.
//
// Payloads are raw JSON text in std::string and are passed on byte for byte; an empty string means "none".
//
// Threads: a Client may be used by many threads at once; each call takes a connection of its own from a pool and gives
// it back. A call blocks its thread. Values returned are plain and belong to the caller.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dta/error.h"

namespace dta {

// Wall time in UTC, whole milliseconds.
using Time = std::chrono::sys_time<std::chrono::milliseconds>;

struct ClientOptions {
  std::chrono::milliseconds connect_timeout{5'000};
  // How long an answer may take, on top of the time the call itself asks the server to wait.
  std::chrono::milliseconds answer_timeout{30'000};
  // How long to keep sending again what may be sent again; 0: never.
  std::chrono::milliseconds retry_for{10'000};
};

struct StartOptions {
  std::string id = {};  // your key for this transaction: the same id and content starts nothing twice
  std::string definition = {};
  std::optional<std::uint32_t> version = {};           // the newest published one when absent
  std::string input = {};                              // JSON; empty: none
  std::map<std::string, std::string> attributes = {};  // at most 16; shown in lists, usable as filters
  std::map<std::string, std::string> headers = {};     // at most 16; handed to every worker with every task
  unsigned priority = 0;                               // 0 to 9, of its tasks in their queues; higher first
  std::chrono::milliseconds wait{0};                   // how long to wait for the outcome
};

struct TransactionError {
  std::string code = {}, message = {}, step = {}, task = {};
  bool operator==(const TransactionError&) const = default;
};

struct UndoState {
  std::string queue = {}, status = {}, worker = {}, error = {};  // status: none idle ready leased backoff done incident
  std::uint32_t attempt = 0;
  std::optional<Time> lease_until = {}, retry_at = {};
};

struct TaskState {
  std::string name = {}, queue = {}, worker = {}, error = {};
  // not_entered waiting ready leased outside backoff held done failed unknown withdrawn skipped
  std::string status = {};
  std::uint32_t instance = 0;  // under a for_each the element's index
  bool stopping = false;
  std::uint32_t attempt = 0;
  std::optional<Time> ready_at = {}, lease_until = {}, retry_at = {};
  UndoState undo = {};
};

struct StepState {
  std::string name = {};
  std::string state = {};    // not_entered entered met failed undone skipped
  std::string outcome = {};  // "open", "met", "failed", "skipped"; empty: not entered
  bool held = false;         // it failed past the pivot: a person must act
  std::optional<Time> entered_at = {}, deadline_at = {};
  std::optional<TransactionError> error = {};       // of a failed step
  std::vector<std::string> waits_for_signals = {};  // that have not come
  std::optional<Time> waits_until = {};
  std::optional<std::uint32_t> instances = {};  // of a for_each, once entered
  std::vector<TaskState> tasks = {};
};

struct Incident {
  std::uint64_t number = 0;
  std::string step = {}, task = {}, kind = {}, code = {}, message = {};
  bool open = false;
};

struct SignalState {
  std::string name = {}, signal_id = {}, payload = {};  // payload: JSON; empty: none
  std::string step = {};                                // that consumed it; empty: it is kept for one
};

struct CancelRequested {
  std::string reason = {}, who = {};
};

// A transaction as an answer of the server shows it. start() fills only id to error; get() and wait() fill all of it.
struct Transaction {
  std::string id = {}, definition = {};
  std::uint32_t version = 0;
  std::string status = {};   // attention, paused, or the phase: what lists show
  std::string phase = {};    // running compensating completed compensated terminated
  std::string outcome = {};  // "completed", "compensated", "terminated"; empty while it is not decided
  std::uint64_t sequence = 0;
  std::string output = {};  // JSON; empty: none
  std::optional<TransactionError> error = {};

  bool created = false;  // start() only: false when it was started before with the same content
  std::uint64_t number = 0;
  std::string form = {};  // "steps" or "table"
  bool attention = false, paused = false;
  bool pivot_passed = false;                             // it can only go forward
  std::optional<CancelRequested> cancel_requested = {};  // waits until the pivot under way is decided
  std::uint32_t epoch = 0;
  std::optional<Time> started_at = {}, ended_at = {}, expires_at = {};
  std::map<std::string, std::string> attributes = {}, headers = {};
  std::string input = {};   // JSON; empty: none
  std::string reason = {};  // of a cancel or an end that someone asked for
  std::vector<StepState> steps = {};
  std::vector<SignalState> signals = {};
  std::vector<Incident> incidents = {};
  std::vector<std::string> not_undone = {};  // each as text or as raw JSON
  std::string state = {};                    // table form: the current state
  std::vector<std::string> visited = {}, legal = {};

  std::string json = {};  // the whole answer as received

  bool decided() const { return !outcome.empty(); }
  bool completed() const { return outcome == "completed"; }
};

// One event of a history; everything of its kind is in `json` (docs/events.md).
struct Event {
  std::string transaction = {};  // filled when events of all transactions are read
  std::uint64_t sequence = 0, position = 0;
  std::optional<Time> recorded_at = {};
  std::string kind = {}, step = {}, task = {};
  std::string json = {};
};

struct ListFilter {
  std::string status = {}, definition = {};  // empty: any
  std::optional<Time> since = {};            // started at or after
  std::map<std::string, std::string> attributes = {};
  std::uint32_t limit = 0;  // of one page; 0: the server's default
  std::string cursor = {};  // of an earlier page
};

struct TransactionSummary {
  std::string id = {}, definition = {}, status = {}, phase = {};
  std::uint32_t version = 0;
  bool attention = false, paused = false;
  std::map<std::string, std::string> attributes = {};
  std::optional<Time> started_at = {}, ended_at = {};
};

struct Page {
  std::vector<TransactionSummary> transactions = {};  // newest first
  std::string next = {};                              // cursor of the next page; empty: this is the last
  std::string json = {};
};

struct Published {
  std::string name = {}, digest = {};
  std::uint32_t version = 0;
  bool created = false;  // false: the same bytes were published before
  std::vector<Fault> warnings = {};
  std::string json = {};
};

struct DefinitionSummary {
  std::string name = {}, form = {}, digest = {};
  std::uint32_t version = 0;
  std::optional<Time> published_at = {};
  bool paused = false;      // with all its versions
  bool deprecated = false;  // takes no new start
};

// What people say of a definition, and who said it last.
struct DefinitionState {
  std::string name = {}, reason = {}, who = {};
  bool paused = false;
  std::vector<std::uint32_t> deprecated = {};  // versions
  std::optional<Time> changed_at = {};
  std::string json = {};
};

struct QueueRate {
  double per_second = 0;                    // 0.001 to 1,000,000, at most three decimals
  std::optional<std::uint32_t> burst = {};  // as many at once after a quiet time; per_second, rounded up, when absent
};

// Nothing: no limit.
struct QueueLimits {
  std::optional<QueueRate> rate = {};             // hand-outs of tasks and undos
  std::optional<std::uint32_t> concurrency = {};  // leases open at once
};

struct QueueState {
  std::string queue = {}, reason = {}, who = {};  // of the last change; empty: nothing was ever said
  QueueLimits limits = {};
  bool paused = false;
  std::optional<Time> changed_at = {};
  std::uint64_t ready = 0, leased = 0, waiting_polls = 0;  // not in the answer of a change
  std::string json = {};
};

struct CancelOptions {
  std::string reason = {};      // required
  std::string who = {};         // shown in the history
  std::string request_id = {};  // made here when empty
};

struct Cancelled {
  std::string id = {}, status = {}, phase = {};
  std::uint64_t sequence = 0;
  std::string json = {};
};

// Where the caller believes the transaction stands; the append is refused with wrong_sequence when it does not.
class Expected {
 public:
  static Expected any() { return Expected("\"any\""); }
  static Expected none() { return Expected("\"none\""); }  // no event but the start yet
  static Expected at(std::uint64_t sequence) { return Expected(std::to_string(sequence)); }
  const std::string& json() const { return json_; }

 private:
  explicit Expected(std::string json) : json_(std::move(json)) {}
  std::string json_;
};

struct NewEvent {
  std::string on = {};    // a name in the definition's transitions
  std::string data = {};  // JSON; empty: none
  std::string id = {};    // made here when empty: give one that outlives your process to append once over a restart
};

struct ExternalFailure {
  std::string code = {}, message = {};
  std::string details = {};     // JSON; empty: none
  bool effect_unknown = false;  // it may have taken effect
};

// What became of an external task.
struct ExternalReport {
  std::string step = {}, task = {};
  std::uint32_t instance = 0;                   // of a for_each
  std::string output = {};                      // JSON; empty: none
  std::optional<ExternalFailure> failure = {};  // nothing: it is done
  std::string event_id = {};                    // made here when empty
};

struct Appended {
  std::string id = {}, state = {}, status = {}, phase = {};
  std::uint64_t first_sequence = 0, sequence = 0;
  bool repeated = false;  // these ids were appended before; this is the first answer
  std::string json = {};
};

// Events of all transactions in order, from a cursor on.
struct EventPage {
  std::vector<Event> events = {};
  std::string cursor = {};  // where to go on
};

class Client {
 public:
  // `url` is "http://HOST[:PORT][/]"; the port is 7117 when absent. Does not connect. Throws invalid_argument.
  explicit Client(std::string_view url, ClientOptions options = {});
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  // Name and version are read from the text. Refusals: invalid_definition (with faults), definition_conflict.
  Published publish(std::string_view definition_text);
  // The definition byte for byte; the newest version when none is given. `definition_in_full` writes out the defaults.
  std::string definition(std::string_view name, std::optional<std::uint32_t> version = {});
  std::string definition_in_full(std::string_view name, std::optional<std::uint32_t> version = {});
  std::vector<DefinitionSummary> definitions();
  // Nothing is handed out for transactions of the definition until resume_definition(). Refusal: definition_not_found.
  DefinitionState pause_definition(std::string_view name, const CancelOptions& options);
  DefinitionState resume_definition(std::string_view name, const CancelOptions& options);
  // The version takes no new start; restore_definition() takes that back. Refusal: definition_not_found.
  DefinitionState deprecate_definition(std::string_view name, std::uint32_t version, const CancelOptions& options);
  DefinitionState restore_definition(std::string_view name, std::uint32_t version, const CancelOptions& options);

  // Queues that have settings, work or workers that wait; and one, known or not.
  std::vector<QueueState> queues();
  QueueState queue(std::string_view name);
  // Both limits as given. A pause stays as it is.
  QueueState set_queue(std::string_view name, const QueueLimits& limits, const CancelOptions& options);
  // Hands nothing out until resume_queue(); results are taken.
  QueueState pause_queue(std::string_view name, const CancelOptions& options);
  QueueState resume_queue(std::string_view name, const CancelOptions& options);

  // Refusals: definition_not_found, deprecated, id_reused, overloaded.
  Transaction start(const StartOptions& options);
  Transaction get(std::string_view id);
  // The transaction after the event with this sequence.
  Transaction get_at(std::string_view id, std::uint64_t sequence);
  // Until the outcome is decided or the time has passed; look at decided().
  Transaction wait(std::string_view id, std::chrono::milliseconds timeout);

  // Events from sequence `from` on, at most `limit` of them (0: all there are).
  std::vector<Event> history(std::string_view id, std::uint64_t from = 1, std::uint64_t limit = 0);
  // Each event with what it changed and what became due; `Event::json` holds the line.
  std::vector<Event> replay(std::string_view id);
  Page list(const ListFilter& filter = {});
  // Calls `each` for every match, page by page, until it returns false.
  void list_all(ListFilter filter, const std::function<bool(const TransactionSummary&)>& each);

  // Begins compensation. Refusals: transaction_not_found, closed, past_pivot.
  Cancelled cancel(std::string_view id, const CancelOptions& options);
  // Stops at once, undoes nothing. Refusals: transaction_not_found, closed.
  Cancelled terminate(std::string_view id, const CancelOptions& options);
  // Hands nothing out until resume(); results are taken. Refusals: illegal_event (it is paused, or is not), closed.
  Cancelled pause(std::string_view id, const CancelOptions& options);
  Cancelled resume(std::string_view id, const CancelOptions& options);
  // Sends a signal that a step waits for, or will; payload is JSON or empty. An id counts once and is made here when
  // empty: give one that outlives your process to send it once over a restart. Refusals: transaction_not_found,
  // unknown_signal, closed.
  Cancelled signal(std::string_view id, std::string_view name, const std::string& payload = {},
                   std::string_view signal_id = {});
  // What a person decides about an incident: resolution is "retry", "force_done", "force_failed", "give_up" or
  // "accept". Refusals: incident_not_found, closed (resolved before), illegal_event.
  Cancelled resolve(std::string_view id, std::uint32_t incident, std::string_view resolution,
                    const CancelOptions& options);
  // All events or none. Refusals: illegal_event and wrong_sequence (with current_sequence), id_reused, closed.
  Appended append(std::string_view id, const Expected& expected, std::vector<NewEvent> events);
  // What became of external tasks, all or none; one that has settled meanwhile is accepted and kept as late. Refusals:
  // task_not_found, illegal_event (not entered yet, or not external), wrong_sequence, id_reused.
  Appended report_external(std::string_view id, const Expected& expected, std::vector<ExternalReport> reports);

  // Everything in order, for subscribers: from the beginning without a cursor.
  EventPage events(std::string_view cursor = {}, std::uint32_t limit = 0, std::chrono::milliseconds wait = {});

  // True when the server serves requests.
  bool ready();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dta
