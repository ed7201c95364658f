// The real partition over a log, on one thread: every request is handled, its batch appended and committed, and only
// then its reply is looked at. After each command what is in memory is compared with what the log gives when it is read
// anew.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>

#include "schema/assert.h"
#include "schema/codec.h"
#include "server/metrics.h"
#include "server/partition.h"
#include "storage/leveldb_log.h"
#include "storage/memory_log.h"
#include "tests/scenarios/depth.h"

namespace dta::scenarios {
namespace {

using namespace schema;

using OpenLog = std::function<Result<std::unique_ptr<storage::Log>>()>;

class PartitionDepth : public Depth {
 public:
  explicit PartitionDepth(OpenLog open_log) : open_log_(std::move(open_log)) { open(Time{kBegin.ms - kGrace.ms}); }

  Result<server::PublishReply> publish(const DefinitionPtr& definition, Time now) override {
    published_.try_emplace({definition->name, definition->version}, definition);
    return ask<server::PublishReply>(server::PublishRequest{definition, {}}, now);
  }
  Result<server::TransactionSummary> start(server::StartRequest request, Time now) override {
    return ask<server::TransactionSummary>(std::move(request), now);
  }
  Result<server::LeaseReply> lease(server::Poll poll, Time now) override {
    return ask<server::LeaseReply>(server::LeaseRequest{std::move(poll), {}, {}}, now);
  }
  Result<server::ResultsReply> report(std::vector<server::TaskResult> results, Time now) override {
    return ask<server::ResultsReply>(server::ResultsRequest{std::move(results), {}, {}, {}}, now);
  }
  Result<server::HeartbeatReply> heartbeat(server::HeartbeatItem item, Time now) override {
    return ask<server::HeartbeatReply>(server::HeartbeatRequest{{std::move(item)}, {}}, now);
  }
  Result<server::TransactionSummary> cancel(server::CancelRequest request, Time now) override {
    return ask<server::TransactionSummary>(std::move(request), now);
  }
  Result<server::TransactionSummary> terminate(server::TerminateRequest request, Time now) override {
    return ask<server::TransactionSummary>(std::move(request), now);
  }
  Result<server::TransactionSummary> resolve(server::ResolveRequest request, Time now) override {
    return ask<server::TransactionSummary>(std::move(request), now);
  }
  Result<server::TransactionSummary> pause(server::PauseRequest request, Time now) override {
    return ask<server::TransactionSummary>(std::move(request), now);
  }
  Result<server::TransactionSummary> resume(server::ResumeRequest request, Time now) override {
    return ask<server::TransactionSummary>(std::move(request), now);
  }
  Result<server::TransactionSummary> signal(server::SignalRequest request, Time now) override {
    return ask<server::TransactionSummary>(std::move(request), now);
  }
  Result<server::AppendReply> report_external(server::ReportRequest request, Time now) override {
    return ask<server::AppendReply>(std::move(request), now);
  }
  Result<server::AppendReply> append(server::AppendRequest request, Time now) override {
    return ask<server::AppendReply>(std::move(request), now);
  }
  Result<Standing> get(const std::string& id, Time now) override {
    auto reply = ask<server::TransactionReply>(server::GetRequest{id, {}, {}}, now);
    if (!reply) return tl::unexpected<Error>(reply.error());
    return Standing{std::move(reply->state), std::move(reply->definition)};
  }

  void tick(Time now) override {
    partition_->tick(now);
    make_durable(now);
  }

  // No clean stop: what counts is what is in the log.
  void restart(Time now) override {
    partition_.reset();
    log_.reset();
    open(now);
  }

  std::vector<Happened> happened() override {
    const std::unique_ptr<storage::Reader> reader = log_->snapshot();
    std::vector<Happened> list;
    const Status read = reader->records_from(seen_.next(), [&](const storage::Record& record) {
      seen_ = record.position;
      auto events = decode_events(record.events);
      EXPECT_TRUE(events.has_value());
      if (events) tell(*reader, record, *events, list);
      return events.has_value();
    });
    EXPECT_TRUE(read.has_value());
    return list;
  }

 private:
  void open(Time now) {
    auto log = open_log_();
    DTA_ASSERT(log.has_value());
    log_ = std::move(*log);
    auto partition = server::Partition::open([this] { return log_->snapshot(); }, log_->fence(), {}, metrics_, now);
    DTA_ASSERT(partition.has_value());
    partition_ = std::move(*partition);
  }

  template <class Reply, class Request>
  Result<Reply> ask(Request request, Time now) {
    std::optional<Result<Reply>> answer;
    request.reply = [&answer](Result<Reply> reply) {
      EXPECT_FALSE(answer.has_value()) << "a reply is called once";
      answer = std::move(reply);
    };
    partition_->handle(std::move(request), now);
    make_durable(now);
    DTA_ASSERT(answer.has_value());
    return std::move(*answer);
  }

  void make_durable(Time now) {
    while (partition_->has_batch()) {
      storage::Batch batch = partition_->take_batch(now);
      DTA_ASSERT(log_->append(batch).has_value());
      partition_->committed(log_->end(), now);
    }
    for (const std::string& difference : partition_->compare_with_log()) ADD_FAILURE() << difference;
  }

  // Steps in place of a task stand in the definition that holds them.
  DefinitionPtr definition_of(const TransactionStarted& e) const {
    const std::string root = e.definition.substr(0, e.definition.find('/'));
    return find_in_place(published_.at({root, e.version}), e.definition);
  }

  void tell(const storage::Reader& reader, const storage::Record& record, const std::vector<Event>& events,
            std::vector<Happened>& list) {
    Sequence sequence = record.first_sequence;
    for (const Event& event : events) {
      if (std::holds_alternative<DefinitionPublished>(event)) return;
      if (const auto* started = std::get_if<TransactionStarted>(&event))
        known_[record.number] = {started->id, definition_of(*started)};
      const auto& [id, definition] = known_.at(record.number);
      Happened& shown =
          list.emplace_back(Happened{id, definition, RecordedEvent{sequence, record.recorded_at, event}, {}});
      for_each_payload(event, [&](const PayloadRef& ref) {
        const auto bytes = reader.payload(record.number, sequence, ref.index);
        EXPECT_TRUE(bytes && *bytes && (*bytes)->size() == ref.size && sha256(**bytes) == ref.digest);
        shown.payloads.push_back(bytes && *bytes ? **bytes : std::string());
      });
      sequence = sequence.next();
    }
  }

  const OpenLog open_log_;
  server::Metrics metrics_;
  std::unique_ptr<storage::Log> log_;
  std::unique_ptr<server::Partition> partition_;  // its readers go before the log
  Position seen_;
  std::map<std::pair<std::string, std::uint32_t>, DefinitionPtr> published_;
  std::map<TransactionNumber, std::pair<std::string, DefinitionPtr>> known_;
};

// A directory under the system's temporary one, removed with the object.
struct Directory {
  Directory() {
    path = testing::TempDir() + "/dta-scenario-XXXXXX";
    DTA_ASSERT(mkdtemp(path.data()) != nullptr);
  }
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  std::string path;
};

// Keeps the directory until the log in it is gone.
class LevelDbDepth : private Directory, public PartitionDepth {
 public:
  LevelDbDepth() : PartitionDepth([path = path + "/log"] { return storage::open_leveldb_log(path); }) {}
};

}  // namespace

std::unique_ptr<Depth> make_memory_depth() {
  return std::make_unique<PartitionDepth>(
      [disk = storage::make_memory_disk()] { return storage::open_memory_log(disk); });
}

std::unique_ptr<Depth> make_leveldb_depth() {
  return std::make_unique<LevelDbDepth>();
}

}  // namespace dta::scenarios
