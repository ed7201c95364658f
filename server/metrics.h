// Every metric of the server, by name and help text, in one place (docs/metrics.md lists them). prometheus-cpp's
// counters are atomic: components add to them from their own thread, /metrics reads them from another.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <memory>
#include <string>
#include <unordered_map>

#include "schema/error.h"

namespace dta::server {

class Metrics {
 public:
  Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // Text exposition format 0.0.4 of everything.
  std::string text() const;

  void refused(schema::ErrorCode code);
  prometheus::Gauge& queue_ready(
      const std::string& queue);  // tasks ready, by queue; at most 1000 queues, the rest as "other"
  prometheus::Gauge& queue_oldest_seconds(const std::string& queue);
  prometheus::Gauge& queue_leased(const std::string& queue);

  prometheus::Registry registry;
  prometheus::Counter &appends, &events, &records, &syncs, &bytes, &starts, &leases, &retries, &timeouts_attempt,
      &timeouts_heartbeat, &timeouts_queue, &timeouts_total, &timeouts_step, &timeouts_expiry, &compensations, &undos,
      &late_results, &effects_after_undo, &incidents, &completed, &compensated, &terminated, &polls, &polls_empty,
      &heartbeats, &held_by_pause, &held_by_concurrency, &held_by_rate, &reopened, &http_requests,
      &http_connections_total;
  prometheus::Gauge &open_running, &open_compensating, &attention, &inbox_requests, &inbox_bytes, &waiting_polls,
      &open_leases, &recovery_seconds, &recovered_transactions, &recovered_records, &http_connections,
      &durable_position, &ready;
  prometheus::Histogram &batch_records, &append_seconds, &sync_seconds, &http_seconds;

 private:
  prometheus::Family<prometheus::Counter>& refusals_;
  prometheus::Family<prometheus::Gauge>& queue_ready_;
  prometheus::Family<prometheus::Gauge>& queue_oldest_;
  prometheus::Family<prometheus::Gauge>& queue_leased_;
  struct QueueGauges {
    prometheus::Gauge *ready = nullptr, *oldest = nullptr, *leased = nullptr;
  };
  QueueGauges& queue(const std::string& name);
  std::unordered_map<std::string, QueueGauges> queues_;  // at most 1000; only the partition's thread asks for queues
  std::array<prometheus::Counter*, schema::kErrorCodeCount> refused_{};
};

}  // namespace dta::server
