// Random definitions, requests, clock steps and crashes, from a seed. After every reopening and at quiet points what is
// in memory equals what the log gives; whatever was acknowledged to anybody is found again, with the same answer; and
// once workers cooperate every transaction ends. Conformance: I1 I2 I4 I6 C4 C12.
//
// DTA_SEED=n runs one seed, DTA_SEEDS=n that many instead of a few hundred.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "tests/partition/driver.h"
#include "tests/partition/random_definitions.h"

namespace dta::partition {
namespace {

using schema::EventKind;
using server::AppendReply;
using server::AppendRequest;
using server::HandOut;
using server::HeartbeatReply;
using server::LeaseReply;
using server::ResultsReply;
using server::TaskResult;
using server::TransactionReply;
using server::TransactionSummary;

// What was asked, together with its answer once there is one.
template <class Request, class Reply>
struct Asked {
  Request request;
  Answer<Reply> answer;
};

class RandomHistory {
 public:
  explicit RandomHistory(std::uint64_t seed) : random_(seed), driver_(setup(random_)) {
    for (int i = 0; i < 3; ++i) {
      publish(driver_, random_steps(random_, fmt::format("steps{}", i)));
      steps_.push_back(fmt::format("steps{}", i));
    }
    publish(driver_, random_table(random_, "table"));
  }

  void run(std::size_t operations) {
    for (std::size_t i = 0; i < operations; ++i) {
      step();
      collect();
    }
    settle();
    drain();
  }

 private:
  static Driver::Setup setup(Random& random) {
    Driver::Setup setup;
    setup.settings.closed_cache = below(random, 4);
    setup.settings.grace = Duration{one_in(random, 2) ? 0 : 2000};
    return setup;
  }

  void step() {
    switch (below(random_, 20)) {
      case 0:
      case 1:
      case 2:
        return ask_start();
      case 3:
      case 4:
      case 5:
        return ask_lease();
      case 6:
      case 7:
      case 8:
      case 9:
        return ask_results();
      case 10:
        return ask_heartbeat();
      case 11:
        if (one_in(random_, 6)) return ask_control();
        return one_in(random_, 3) ? ask_cancel() : ask_append();
      case 12:
        return ask_append();
      case 13:
        return ask_again();
      case 14:
        driver_.wait(Duration{static_cast<std::int64_t>(below(random_, one_in(random_, 4) ? 20'000 : 1500))});
        return driver_.tick();
      case 15:
        return driver_.tick();
      case 16:
      case 17:
        return write();
      case 18:
        driver_.write();
        return driver_.expect_consistent();
      default:
        return one_in(random_, 2) ? die() : write();
    }
  }

  void write() {
    if (driver_.is_away())
      driver_.finish_write();
    else
      driver_.begin_write();
  }

  void die() {
    if (!driver_.is_away() && one_in(random_, 2)) driver_.begin_write();
    const Fate fate = one_in(random_, 2) ? Fate::lost : Fate::durable;
    if (driver_.is_away() && one_in(random_, 2)) {
      driver_.fail_write(fate);
      for (const auto& asked : open_starts_) EXPECT_TRUE(asked.answer.given());
      for (const auto& asked : open_results_) EXPECT_TRUE(asked.answer.given());
      for (const auto& asked : open_leases_) EXPECT_TRUE(asked.answer.given());
      for (const auto& asked : open_appends_) EXPECT_TRUE(asked.answer.given());
    } else {
      driver_.crash(fate);
    }
    collect();
    open_starts_.clear();
    open_results_.clear();
    open_leases_.clear();
    open_appends_.clear();
    open_cancels_.clear();
    // A partition that has just been opened answers everything that was ever acknowledged.
    for (int i = 0; i < 3; ++i) ask_again();
  }

  void ask_start() {
    const bool table = one_in(random_, 5);
    auto request = start_of(fmt::format("{}{}", table ? "f" : "t", below(random_, 30)),
                            table ? "table" : steps_[below(random_, steps_.size())],
                            fmt::format("{{\"n\":{}}}", below(random_, 2)));
    if (one_in(random_, 4)) request.wait = Duration{static_cast<std::int64_t>(below(random_, 5000))};
    open_starts_.push_back({request, driver_.submit<TransactionSummary>(request)});
  }

  server::Poll random_poll() {
    std::vector<std::string> queues;
    for (const char* queue : kRandomQueues)
      if (!one_in(random_, 3)) queues.emplace_back(queue);
    std::string name =
        one_in(random_, 2) ? "" : fmt::format("p{}", one_in(random_, 2) ? below(random_, 4) : 100 + ++polls_);
    return poll_of(queues, 1 + below(random_, 3),
                   Duration{one_in(random_, 2) ? 0 : static_cast<std::int64_t>(below(random_, 8000))}, name);
  }

  void ask_lease() {
    auto request = lease_of(random_poll());
    open_leases_.push_back({request, driver_.submit<LeaseReply>(request)});
  }

  TaskResult random_result(const std::string& token) {
    switch (below(random_, 8)) {
      case 0:
        return failed(token, true);
      case 1:
        return failed(token, undos_.contains(token));  // an undo that says never again waits for a person
      case 2: {
        TaskResult unclear = failed(token, one_in(random_, 2));
        auto& result = std::get<server::FailedResult>(unclear.result);
        result.effect = schema::Effect::unknown;
        result.retryable = result.retryable || undos_.contains(token);
        return unclear;
      }
      case 3:
        return released(token, Duration{static_cast<std::int64_t>(below(random_, 2000))});
      default:
        return completed(token, fmt::format("{{\"r\":{}}}", below(random_, 2)));
    }
  }

  void ask_results() {
    std::vector<TaskResult> results;
    for (std::size_t i = 0, n = 1 + below(random_, 3); i < n && !tokens_.empty(); ++i) {
      // Mostly what was handed out last; sometimes anything.
      const std::size_t newest = std::min<std::size_t>(tokens_.size(), 6);
      results.push_back(
          random_result(tokens_[tokens_.size() - 1 - below(random_, one_in(random_, 5) ? tokens_.size() : newest)]));
    }
    auto request = results_of(results);
    if (one_in(random_, 2)) request.then_lease = random_poll();
    open_results_.push_back({request, driver_.submit<ResultsReply>(request)});
  }

  void ask_heartbeat() {
    if (tokens_.empty()) return;
    driver_.submit<HeartbeatReply>(beat_of(tokens_[below(random_, tokens_.size())],
                                           one_in(random_, 2) ? "" : fmt::format("{}", below(random_, 3))));
  }

  void ask_cancel() {
    const auto request = cancel_of(fmt::format("t{}", below(random_, 30)), fmt::format("c{}", below(random_, 3)));
    open_cancels_.push_back({request, driver_.submit<TransactionSummary>(request)});
  }

  // What a person decides; that the same request gets the same answer is tried with cancel.
  void ask_control() {
    const std::string id = fmt::format("{}{}", one_in(random_, 5) ? "f" : "t", below(random_, 30));
    if (one_in(random_, 2)) {
      driver_.submit<TransactionSummary>(terminate_of(id));
      return;
    }
    server::ResolveRequest request;
    request.id = id;
    request.incident = static_cast<std::uint32_t>(1 + below(random_, 2));
    request.resolution = static_cast<schema::IncidentResolution>(below(random_, 4));
    request.reason = "seen";
    driver_.submit<TransactionSummary>(std::move(request));
  }

  void ask_append() {
    std::vector<server::NewTransition> events;
    for (std::size_t i = 0, n = 1 + below(random_, 2); i < n; ++i)
      events.push_back(
          {fmt::format("e{}", ++events_), one_in(random_, 4) ? "end" : "go", one_in(random_, 2) ? "" : "{\"by\":1}"});
    const auto request = append_of(fmt::format("f{}", below(random_, 30)), events);
    open_appends_.push_back({request, driver_.submit<AppendReply>(request)});
  }

  // Repeats something that was acknowledged; the answer must be the same. Writes first, so that it is there at once.
  void ask_again() {
    driver_.write();
    collect();
    if (!results_.empty()) {
      const auto& [item, first] = results_[below(random_, results_.size())];
      const Status again = report(driver_, item);
      EXPECT_EQ(code_of(again), first) << "another answer to the result of " << item.token;
    }
    if (!tokens_.empty()) {
      const std::string& token = tokens_[below(random_, tokens_.size())];
      const auto beat = driver_.ask<HeartbeatReply>(beat_of(token));
      EXPECT_TRUE(beat->results[0] || beat->results[0].error().code == ErrorCode::stale_lease)
          << token << " was handed out";
    }
    if (!starts_.empty()) {
      auto it = starts_.begin();
      std::advance(it, static_cast<std::ptrdiff_t>(below(random_, starts_.size())));
      const auto again = driver_.ask<TransactionSummary>(it->second.first);
      ASSERT_TRUE(again.ok());
      EXPECT_FALSE(again->created) << it->first << " was acknowledged before";
      EXPECT_GE(again->sequence, it->second.second) << it->first << " lost events";
      it->second.second = again->sequence;
    }
    if (!appends_.empty()) {
      const auto& [request, first] = appends_[below(random_, appends_.size())];
      const auto again = driver_.ask<AppendReply>(request);
      ASSERT_TRUE(again.ok());
      EXPECT_TRUE(again->repeated);
      EXPECT_EQ(std::tuple(again->first_sequence, again->sequence, again->state, again->status),
                std::tuple(first.first_sequence, first.sequence, first.state, first.status));
    }
    if (!cancels_.empty()) {
      const auto& [request, first] = cancels_[below(random_, cancels_.size())];
      const auto again = driver_.ask<TransactionSummary>(request);
      ASSERT_TRUE(again.ok());
      EXPECT_EQ(std::tuple(again->sequence, again->status), std::tuple(first.sequence, first.status));
    }
    collect();
  }

  // Takes in the answers that have come.
  void collect() {
    const auto take_from = [](auto& list, auto&& use) {
      for (const auto& asked : list)
        if (asked.answer.ok()) use(asked);
      std::erase_if(list, [](const auto& asked) { return asked.answer.given(); });
    };
    const auto hold = [&](const std::vector<HandOut>& tasks) {
      for (const HandOut& task : tasks) {
        if (task.action == schema::Action::undo) undos_.insert(task.token);
        if (std::find(tokens_.begin(), tokens_.end(), task.token) == tokens_.end()) tokens_.push_back(task.token);
      }
    };
    take_from(open_starts_, [&](const auto& asked) {
      auto request = asked.request;
      request.wait = {};
      auto& [kept, sequence] = starts_.try_emplace(request.id, request, 0).first->second;
      sequence = std::max(sequence, asked.answer->sequence);
    });
    take_from(open_leases_, [&](const auto& asked) { hold(asked.answer->tasks); });
    take_from(open_results_, [&](const auto& asked) {
      for (std::size_t i = 0; i < asked.request.results.size(); ++i)
        results_.emplace_back(asked.request.results[i], code_of(asked.answer->results[i]));
      hold(asked.answer->tasks);
    });
    take_from(open_appends_, [&](const auto& asked) { appends_.emplace_back(asked.request, *asked.answer); });
    take_from(open_cancels_, [&](const auto& asked) { cancels_.emplace_back(asked.request, *asked.answer); });
  }

  void settle() {
    driver_.write();
    collect();
    driver_.expect_consistent();
  }

  // Workers that do what they are asked; tables are ended by their callers.
  void drain() {
    for (const auto& [id, start] : starts_)
      if (start.first.definition == "table") driver_.ask<AppendReply>(append_of(id, {{"", "end", ""}}));
    const std::vector<std::string> queues(std::begin(kRandomQueues), std::end(kRandomQueues));
    for (int rounds = 0; rounds < 3000 && !all_ended(); ++rounds) {
      const auto lease = driver_.ask<LeaseReply>(lease_of(poll_of(queues, 100)));
      std::vector<TaskResult> results;
      for (const HandOut& task : lease->tasks) results.push_back(completed(task.token, "{}"));
      if (!results.empty()) {
        const auto answer = driver_.ask<ResultsReply>(results_of(results));
        for (const Status& status : answer->results) EXPECT_TRUE(status.has_value());
        continue;
      }
      ASSERT_NE(driver_.partition().next_due(), Time::never()) << "an open transaction waits for nothing";
      driver_.run_until(std::max(driver_.now, driver_.partition().next_due()));
    }
    driver_.run_until(driver_.now + Duration{60'000});  // late polls and waits
    settle();
    EXPECT_TRUE(all_ended()) << "some transactions never end";
    for (const auto& [id, start] : starts_) expect_sound(id);
    driver_.partition().export_gauges(driver_.now);
    EXPECT_EQ(driver_.metrics().open_running.Value(), 0);
    EXPECT_EQ(driver_.metrics().open_compensating.Value(), 0);
    EXPECT_EQ(driver_.metrics().open_leases.Value(), 0);
    EXPECT_EQ(driver_.metrics().waiting_polls.Value(), 0);
    EXPECT_EQ(driver_.partition().deadlines().size(), 0u);
  }

  bool all_ended() {
    return std::all_of(driver_.partition().entries().begin(), driver_.partition().entries().end(),
                       [](const auto& entry) { return entry.second->state.ended(); });
  }

  // One terminal event, and no lease answered twice.
  void expect_sound(const std::string& id) {
    std::size_t ends = 0;
    std::map<std::uint64_t, int> answers;
    for (const schema::Event& event : driver_.history(id)) {
      const EventKind kind = schema::kind_of(event);
      ends += kind == EventKind::transaction_completed || kind == EventKind::transaction_compensated ||
              kind == EventKind::transaction_terminated;
      std::visit(
          [&]<class E>(const E& e) {
            if constexpr (std::is_same_v<E, schema::TaskCompleted> || std::is_same_v<E, schema::TaskFailed> ||
                          std::is_same_v<E, schema::TaskReleased> || std::is_same_v<E, schema::AttemptTimedOut>)
              ++answers[e.attempt.lease.value];
          },
          event);
    }
    EXPECT_EQ(ends, 1u) << id;
    for (const auto& [lease, count] : answers) EXPECT_EQ(count, 1) << id << " lease " << lease;
  }

  Random random_;
  Driver driver_;
  std::vector<std::string> steps_;
  std::uint64_t polls_ = 0, events_ = 0;

  std::vector<Asked<server::StartRequest, TransactionSummary>> open_starts_;
  std::vector<Asked<server::LeaseRequest, LeaseReply>> open_leases_;
  std::vector<Asked<server::ResultsRequest, ResultsReply>> open_results_;
  std::vector<Asked<server::AppendRequest, AppendReply>> open_appends_;
  std::vector<Asked<server::CancelRequest, TransactionSummary>> open_cancels_;

  // Acknowledged.
  std::map<std::string, std::pair<server::StartRequest, std::uint64_t>> starts_;  // with the highest sequence seen
  std::vector<std::string> tokens_;
  std::set<std::string> undos_;  // those of the tokens that are of undos
  std::vector<std::pair<TaskResult, std::optional<ErrorCode>>> results_;
  std::vector<std::pair<AppendRequest, AppendReply>> appends_;
  std::vector<std::pair<server::CancelRequest, TransactionSummary>> cancels_;
};

TEST(Partition, RandomHistoryEqualsRebuilt) {
  const char* one = std::getenv("DTA_SEED");
  const char* many = std::getenv("DTA_SEEDS");
  const std::uint64_t first = one != nullptr ? std::strtoull(one, nullptr, 10) : 1;
  const std::uint64_t count = one != nullptr ? 1 : many != nullptr ? std::strtoull(many, nullptr, 10) : 300;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    RandomHistory(seed).run(150);
    ASSERT_FALSE(HasFailure()) << "rerun: DTA_SEED=" << seed
                               << " partition_test --gtest_filter=Partition.RandomHistoryEqualsRebuilt";
  }
}

}  // namespace
}  // namespace dta::partition
