// The table of metrics: every name, help text and bucket stands here once. docs/metrics.md repeats the names for
// people, and a test compares both. Built once by the composition root, before any thread that adds to it.
#include "server/metrics.h"

#include <prometheus/text_serializer.h>

#include "schema/assert.h"

namespace dta::server {
namespace {

constexpr std::size_t kQueuesMax = 1000;  // label values; beyond it queues share the label "other"

prometheus::Counter& counter(prometheus::Registry& registry, const char* name, const char* help,
                             const prometheus::Labels& labels = {}) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add(labels);
}

prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help,
                         const prometheus::Labels& labels = {}) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(labels);
}

prometheus::Histogram& histogram(prometheus::Registry& registry, const char* name, const char* help,
                                 const prometheus::Histogram::BucketBoundaries& buckets) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add({}, buckets);
}

const prometheus::Histogram::BucketBoundaries kSeconds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                       0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};
const prometheus::Histogram::BucketBoundaries kRecords{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};

constexpr const char* kTimeouts = "dta_timeouts_total";
constexpr const char* kTimeoutsHelp = "Timers that fired, by kind.";
constexpr const char* kEnded = "dta_transactions_ended_total";
constexpr const char* kEndedHelp = "Transactions that reached an outcome.";
constexpr const char* kHeld = "dta_hand_outs_held_total";
constexpr const char* kHeldHelp = "Times that work had to wait although a worker asked for it, by what held it.";
constexpr const char* kOpen = "dta_transactions_open";
constexpr const char* kOpenHelp = "Transactions that have not ended, by phase.";

}  // namespace

Metrics::Metrics()
    : appends(counter(registry, "dta_appends_total", "Batches that were written to the log.")),
      events(counter(registry, "dta_events_total", "Events that were written to the log.")),
      records(counter(registry, "dta_records_total", "Records (events of one command) that were written to the log.")),
      syncs(counter(registry, "dta_syncs_total", "Synced writes to the log.")),
      bytes(counter(registry, "dta_log_bytes_total", "Bytes of keys and values that were handed to the log.")),
      starts(counter(registry, "dta_transactions_started_total", "Transactions that were started.")),
      leases(counter(registry, "dta_leases_total", "Tasks and undos that were handed out to workers.")),
      retries(counter(registry, "dta_task_retries_total", "Attempts that failed and were scheduled again.")),
      timeouts_attempt(counter(registry, kTimeouts, kTimeoutsHelp, {{"kind", "attempt"}})),
      timeouts_heartbeat(counter(registry, kTimeouts, kTimeoutsHelp, {{"kind", "heartbeat"}})),
      timeouts_queue(counter(registry, kTimeouts, kTimeoutsHelp, {{"kind", "queue"}})),
      timeouts_total(counter(registry, kTimeouts, kTimeoutsHelp, {{"kind", "total"}})),
      timeouts_step(counter(registry, kTimeouts, kTimeoutsHelp, {{"kind", "step"}})),
      timeouts_expiry(counter(registry, kTimeouts, kTimeoutsHelp, {{"kind", "expiry"}})),
      compensations(counter(registry, "dta_compensations_total", "Transactions that began to compensate.")),
      undos(counter(registry, "dta_undos_total", "Undos that workers acknowledged.")),
      late_results(counter(registry, "dta_late_results_total", "Results that came after their lease had ended.")),
      effects_after_undo(counter(registry, "dta_effects_after_undo_total",
                                 "Successes reported after the undo of their task was acknowledged.")),
      incidents(counter(registry, "dta_incidents_total", "Incidents that were raised for a person.")),
      completed(counter(registry, kEnded, kEndedHelp, {{"outcome", "completed"}})),
      compensated(counter(registry, kEnded, kEndedHelp, {{"outcome", "compensated"}})),
      terminated(counter(registry, kEnded, kEndedHelp, {{"outcome", "terminated"}})),
      polls(counter(registry, "dta_polls_total", "Polls of workers that were answered.")),
      polls_empty(counter(registry, "dta_polls_empty_total", "Polls that were answered without a task.")),
      heartbeats(counter(registry, "dta_heartbeats_total", "Heartbeats that were taken.")),
      held_by_pause(counter(registry, kHeld, kHeldHelp, {{"by", "pause"}})),
      held_by_concurrency(counter(registry, kHeld, kHeldHelp, {{"by", "concurrency"}})),
      held_by_rate(counter(registry, kHeld, kHeldHelp, {{"by", "rate"}})),
      reopened(counter(registry, "dta_log_reopened_total", "Times the log was opened again after a failed write.")),
      http_requests(counter(registry, "dta_http_requests_total", "HTTP requests that were answered.")),
      http_connections_total(counter(registry, "dta_http_connections_accepted_total", "HTTP connections accepted.")),
      open_running(gauge(registry, kOpen, kOpenHelp, {{"phase", "running"}})),
      open_compensating(gauge(registry, kOpen, kOpenHelp, {{"phase", "compensating"}})),
      attention(gauge(registry, "dta_transactions_attention", "Transactions with an open incident.")),
      inbox_requests(gauge(registry, "dta_inbox_requests", "Requests that wait for the partition.")),
      inbox_bytes(gauge(registry, "dta_inbox_bytes", "Bytes of the requests that wait for the partition.")),
      waiting_polls(gauge(registry, "dta_polls_waiting", "Polls of workers that wait for a task.")),
      open_leases(gauge(registry, "dta_leases_open", "Hand-outs that were neither answered nor have ended.")),
      recovery_seconds(gauge(registry, "dta_recovery_seconds", "How long the last opening of the log took.")),
      recovered_transactions(
          gauge(registry, "dta_recovered_transactions", "Open transactions found at the last opening.")),
      recovered_records(gauge(registry, "dta_recovered_records", "Records proved and folded at the last opening.")),
      http_connections(gauge(registry, "dta_http_connections_open", "HTTP connections that are open.")),
      durable_position(gauge(registry, "dta_durable_position", "Position of the last durable record.")),
      ready(gauge(registry, "dta_ready", "1 while requests are served, else 0.")),
      batch_records(histogram(registry, "dta_batch_records", "Records in one synced write.", kRecords)),
      append_seconds(
          histogram(registry, "dta_append_seconds", "From a request's arrival to its durable answer.", kSeconds)),
      sync_seconds(histogram(registry, "dta_sync_seconds", "Length of one synced write.", kSeconds)),
      http_seconds(histogram(registry, "dta_http_request_seconds",
                             "From a whole HTTP request to its written answer, polls and waits left out.", kSeconds)),
      refusals_(prometheus::BuildCounter()
                    .Name("dta_refusals_total")
                    .Help("Requests that were refused or failed, by error code.")
                    .Register(registry)),
      queue_ready_(prometheus::BuildGauge()
                       .Name("dta_queue_ready")
                       .Help("Tasks and undos that wait in a queue for a worker.")
                       .Register(registry)),
      queue_oldest_(prometheus::BuildGauge()
                        .Name("dta_queue_oldest_seconds")
                        .Help("How long the oldest of them has waited.")
                        .Register(registry)),
      queue_leased_(prometheus::BuildGauge()
                        .Name("dta_queue_leased")
                        .Help("Tasks and undos of a queue that are handed out and not yet answered.")
                        .Register(registry)) {
  for (std::size_t i = 0; i < refused_.size(); ++i) {
    const auto code = static_cast<schema::ErrorCode>(i);
    refused_[i] = &refusals_.Add({{"code", std::string(schema::to_string(code))}});
  }
}

std::string Metrics::text() const {
  return prometheus::TextSerializer().Serialize(registry.Collect());
}

void Metrics::refused(schema::ErrorCode code) {
  const auto index = static_cast<std::size_t>(code);
  DTA_ASSERT(index < refused_.size());
  refused_[index]->Increment();
}

Metrics::QueueGauges& Metrics::queue(const std::string& name) {
  auto found = queues_.find(name);
  if (found != queues_.end()) return found->second;
  const std::string& label = queues_.size() < kQueuesMax ? name : std::string("other");
  QueueGauges& gauges = queues_[label];
  if (gauges.ready == nullptr)
    gauges = {&queue_ready_.Add({{"queue", label}}), &queue_oldest_.Add({{"queue", label}}),
              &queue_leased_.Add({{"queue", label}})};
  return gauges;
}

prometheus::Gauge& Metrics::queue_ready(const std::string& name) {
  return *queue(name).ready;
}
prometheus::Gauge& Metrics::queue_leased(const std::string& name) {
  return *queue(name).leased;
}
prometheus::Gauge& Metrics::queue_oldest_seconds(const std::string& name) {
  return *queue(name).oldest;
}

}  // namespace dta::server
