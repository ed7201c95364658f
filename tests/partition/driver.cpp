// The driver (driver.h): opens, writes, crashes; and the requests that every test makes.
#include "tests/partition/driver.h"

#include "schema/codec.h"
#include "storage/leveldb_log.h"
#include "storage/memory_log.h"
#include "tests/storage/fault_disk.h"

namespace dta::partition {

using namespace schema;

Driver::Driver(Setup setup)
    : setup_(std::move(setup)), memory_(storage::make_memory_disk()), metrics_(std::make_unique<server::Metrics>()) {
  open(setup_.grace_is_over ? Time{now.ms - setup_.settings.grace.ms} : now);
}

Driver::~Driver() {
  close();
}

void Driver::open(Time opened_at) {
  storage::LevelDbOptions options;
  options.env = setup_.disk;
  options.disk = setup_.disk;
  options.write_buffer_bytes = 1u << 20;
  options.block_cache_bytes = 64u << 10;
  auto log = setup_.disk != nullptr ? storage::open_leveldb_log("/log", options) : storage::open_memory_log(memory_);
  DTA_ASSERT(log.has_value());
  log_ = std::move(*log);
  auto opened = server::Partition::open([this] { return log_->snapshot(); }, log_->fence(), setup_.settings, *metrics_,
                                        opened_at);
  DTA_ASSERT(opened.has_value());
  partition_ = std::move(*opened);
}

void Driver::close() {
  away_.reset();
  partition_.reset();
  log_.reset();
}

bool Driver::begin_write() {
  DTA_ASSERT(!away_);
  if (!partition_->has_batch()) return false;
  away_.emplace(partition_->take_batch(now));
  return true;
}

void Driver::finish_write() {
  DTA_ASSERT(away_.has_value());
  DTA_ASSERT(log_->append(*away_).has_value());
  away_.reset();
  partition_->committed(log_->end(), now);
}

void Driver::write() {
  if (away_) finish_write();
  while (begin_write()) finish_write();
}

void Driver::run_until(Time until) {
  write();
  for (Time due = partition_->next_due(); due <= until; due = partition_->next_due()) {
    now = std::max(now, due);
    tick();
    write();
  }
  now = until;
}

void Driver::crash(Fate away) {
  if (away_ && away == Fate::durable) DTA_ASSERT(log_->append(*away_).has_value());
  reopen();
}

void Driver::fail_write(Fate away) {
  DTA_ASSERT(away_.has_value());
  if (away == Fate::durable) DTA_ASSERT(log_->append(*away_).has_value());
  partition_->abandon(Error{ErrorCode::storage_fault, "the disk said no"});
  reopen();
}

Status Driver::write_on_failing_disk() {
  DTA_ASSERT(begin_write());
  const Status status = log_->append(*away_);
  if (status) {
    away_.reset();
    partition_->committed(log_->end(), now);
  } else {
    partition_->abandon(status.error());
  }
  return status;
}

void Driver::reopen() {
  close();
  open(now);
  expect_consistent();
}

void Driver::power_loss(std::uint64_t seed) {
  DTA_ASSERT(setup_.disk != nullptr);
  close();
  setup_.disk->power_loss(storage::FaultDisk::Loss::random_prefix, seed);
  open(now);
  expect_consistent();
}

std::vector<Event> Driver::history(const std::string& id) const {
  std::vector<Event> events;
  const auto reader = log_->snapshot();
  const auto number = reader->find_id(id);
  if (!number || !*number) return events;
  const Status read = reader->records_of(**number, Sequence(1), [&](const storage::Record& record) {
    auto decoded = decode_events(record.events);
    DTA_ASSERT(decoded.has_value());
    for (Event& event : *decoded) events.push_back(std::move(event));
    return true;
  });
  DTA_ASSERT(read.has_value());
  return events;
}

std::vector<std::size_t> Driver::record_sizes(const std::string& id) const {
  std::vector<std::size_t> sizes;
  const auto reader = log_->snapshot();
  const auto number = reader->find_id(id);
  if (!number || !*number) return sizes;
  const Status read = reader->records_of(**number, Sequence(1), [&](const storage::Record& record) {
    sizes.push_back(record.event_count);
    return true;
  });
  DTA_ASSERT(read.has_value());
  return sizes;
}

std::vector<EventKind> Driver::kinds(const std::string& id) const {
  std::vector<EventKind> list;
  for (const Event& event : history(id)) list.push_back(kind_of(event));
  return list;
}

void Driver::expect_consistent() const {
  if (away_ || partition_->has_batch()) return;
  for (const std::string& difference : partition_->compare_with_log()) ADD_FAILURE() << difference;
}

// ---- requests

DefinitionPtr define(const std::string& text) {
  auto definition = parse_definition(text);
  DTA_ASSERT(definition.has_value());
  return *definition;
}

void publish(Driver& driver, const std::string& text) {
  ASSERT_TRUE(driver.ask<server::PublishReply>(server::PublishRequest{define(text), {}}).ok());
}

server::StartRequest start_of(const std::string& id, const std::string& definition, const std::string& input,
                              Duration wait) {
  server::StartRequest request;
  request.id = id;
  request.definition = definition;
  request.input = input;
  request.digest = sha256(definition + "/" + input);
  request.wait = wait;
  return request;
}

server::GetRequest get_of(const std::string& id, Duration wait) {
  return server::GetRequest{id, wait, {}};
}

server::CancelRequest cancel_of(const std::string& id, const std::string& request_id, const std::string& reason) {
  return server::CancelRequest{id, reason, "anna", request_id, {}};
}

server::TerminateRequest terminate_of(const std::string& id, const std::string& request_id) {
  server::TerminateRequest request;
  request.id = id;
  request.reason = "by hand";
  request.who = "anna";
  request.request_id = request_id;
  return request;
}

server::Poll poll_of(std::vector<std::string> queues, std::size_t max, Duration wait, const std::string& poll_id) {
  return server::Poll{std::move(queues), max, wait, "worker", poll_id};
}

server::LeaseRequest lease_of(server::Poll poll) {
  return server::LeaseRequest{std::move(poll), {}, {}};
}

server::TaskResult completed(const std::string& token, const std::string& output) {
  return server::TaskResult{token, server::CompletedResult{output, true}};
}

server::TaskResult failed(const std::string& token, bool retryable, const std::string& code) {
  server::FailedResult result;
  result.code = code;
  result.message = "it said no";
  result.retryable = retryable;
  return server::TaskResult{token, result};
}

server::TaskResult released(const std::string& token, Duration delay) {
  return server::TaskResult{token, server::ReleasedResult{delay}};
}

server::ResultsRequest results_of(std::vector<server::TaskResult> results, std::optional<server::Poll> then_lease) {
  return server::ResultsRequest{std::move(results), std::move(then_lease), {}, {}};
}

server::HeartbeatRequest beat_of(const std::string& token, const std::string& detail) {
  return server::HeartbeatRequest{{server::HeartbeatItem{token, detail}}, {}};
}

server::AppendRequest append_of(const std::string& id, std::vector<server::NewTransition> events) {
  server::AppendRequest request;
  request.id = id;
  request.events = std::move(events);
  return request;
}

void start(Driver& driver, const std::string& id, const std::string& definition) {
  const auto answer = driver.ask<server::TransactionSummary>(start_of(id, definition));
  ASSERT_TRUE(answer.ok()) << (answer.given() ? answer.error().message : "no answer");
}

server::HandOut take(Driver& driver, const std::string& queue) {
  const auto answer = driver.ask<server::LeaseReply>(lease_of(poll_of({queue})));
  if (answer.ok() && answer->tasks.size() == 1) return answer->tasks.front();
  ADD_FAILURE() << "no task on queue " << queue;
  return {};
}

Status report(Driver& driver, server::TaskResult result) {
  const auto answer = driver.ask<server::ResultsReply>(results_of({std::move(result)}));
  DTA_ASSERT(answer.ok() && answer->results.size() == 1);
  return answer->results.front();
}

std::optional<ErrorCode> code_of(const Status& status) {
  return status ? std::nullopt : std::optional(status.error().code);
}

std::string status_of(Driver& driver, const std::string& id) {
  const auto answer = driver.ask<server::TransactionReply>(get_of(id));
  return answer.ok() ? std::string(engine::status(answer->state)) : "none";
}

}  // namespace dta::partition
