// Anything in any order under limits that change: no queue opens more leases than it may, nothing paused is handed out,
// the working set is what the log says, and in the end everything ends. Conformance: F9 K5.
#include <map>
#include <random>

#include "tests/partition/driver.h"

namespace dta::partition {
namespace {

using schema::DefinitionChanged;
using schema::QueueChanged;
using server::ChangeDefinitionRequest;
using server::ChangeQueueRequest;
using server::DefinitionAct;
using server::HandOut;
using server::LeaseReply;
using server::QueueAct;
using server::QueuesReply;
using server::QueuesRequest;
using server::ResultsReply;
using server::TransactionSummary;

std::string definition(const std::string& name, int most) {
  return R"({"name":")" + name + R"(","version":1,"steps":[
    {"name":"a","join":{"need":{"at_least":)" +
         std::to_string(most) + R"(}},"tasks":[
      {"name":"x","queue":"p","undo":{"queue":"q"},"retry":{"max_attempts":2,"first":"1s","jitter":0}},
      {"name":"y","queue":"q","undo":{"queue":"p"}}]},
    {"name":"b","tasks":[{"name":"z","queue":"q","undo":{"queue":"q"}}]}]})";
}

class Chaos {
 public:
  explicit Chaos(std::uint64_t seed) : random_(seed) {
    for (int i = 0; i < 3; ++i) publish(d_, definition(kDefinitions[i], 1 + i % 2));
    for (const char* queue : {"p", "q"}) said_[queue].queue = queue;
  }

  void step() {
    const auto before = leased();
    switch (draw(12)) {
      case 0:
      case 1:
      case 2: {
        auto request = start_of("t" + std::to_string(++started_), kDefinitions[draw(3)]);
        request.priority = static_cast<std::uint8_t>(draw(3));
        d_.submit<TransactionSummary>(request);
        break;
      }
      case 3:
        if (started_ > 0) d_.submit<TransactionSummary>(cancel_of("t" + std::to_string(1 + draw(started_))));
        break;
      case 4:
      case 5:
        polls_.push_back(d_.submit<LeaseReply>(lease_of(poll_of({"p", "q"}, 1 + draw(4), Duration{draw_time(2000)}))));
        break;
      case 6:
      case 7:
        if (!held_.empty()) {
          const std::size_t i = draw(held_.size());
          const HandOut task = held_[i];
          held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(i));
          const auto result = draw(4) == 0 ? failed(task.token, task.action == schema::Action::undo || draw(2) == 0)
                                           : completed(task.token, "1");
          d_.submit<ResultsReply>(results_of({result}));
        }
        break;
      case 8:
        d_.run_until(d_.now + Duration{draw_time(1500)});
        break;
      case 9:
        change_queue();
        break;
      case 10:
        change_definition();
        break;
      case 11:
        if (draw(4) != 0) break;
        d_.write();
        d_.crash(Fate::lost);
        polls_.clear();  // their leases end by themselves
        return;
    }
    const auto after = leased();
    for (const auto& [queue, count] : after) {
      const QueueChanged& said = said_[queue];
      const auto was = before.find(queue);
      if (count <= (was == before.end() ? 0 : was->second)) continue;
      EXPECT_FALSE(said.paused) << queue;
      if (said.concurrency != 0) {
        EXPECT_LE(count, said.concurrency) << queue;
      }
    }
    if (draw(3) == 0) d_.write();
    collect();
    d_.expect_consistent();
  }

  // Nothing is limited any more, and everybody works.
  void end() {
    for (auto& [queue, said] : said_) {
      said = QueueChanged{queue};
      ChangeQueueRequest request;
      request.queue = queue;
      request.reason = "r";
      for (const QueueAct act : {QueueAct::set_limits, QueueAct::resume}) {
        request.act = act;
        d_.submit<server::ChangeReply<QueueChanged>>(request);
      }
    }
    for (const char* name : kDefinitions)
      d_.submit<server::ChangeReply<DefinitionChanged>>(
          ChangeDefinitionRequest{name, DefinitionAct::resume, 0, "r", "", "", {}});
    paused_.clear();
    d_.write();
    collect();
    for (int round = 0; round < 400 && open() > 0; ++round) {
      for (const HandOut& task : std::exchange(held_, {})) d_.submit<ResultsReply>(results_of({completed(task.token)}));
      polls_.push_back(d_.submit<LeaseReply>(lease_of(poll_of({"p", "q"}, 50))));
      d_.write();
      collect();
      if (held_.empty()) d_.run_until(d_.now + Duration{5000});
    }
    EXPECT_EQ(open(), 0u) << "every transaction ends";
    for (const auto& info : d_.ask<QueuesReply>(QueuesRequest{})->queues)
      EXPECT_EQ(info.ready + info.leased, 0u) << info.settings.queue;
    d_.reopen();
  }

 private:
  static constexpr const char* kDefinitions[] = {"one", "two", "three"};

  std::size_t draw(std::size_t n) { return random_() % n; }
  std::int64_t draw_time(std::int64_t most) { return static_cast<std::int64_t>(draw(static_cast<std::size_t>(most))); }

  std::map<std::string, std::size_t> leased() {
    std::map<std::string, std::size_t> counts;
    for (const auto& [number, entry] : d_.partition().entries())
      for (const engine::Lease& lease : entry->state.leases)
        ++counts[engine::queue_of(*entry->machine, lease.task, lease.action)];
    return counts;
  }
  std::size_t open() {
    std::size_t count = 0;
    for (const auto& [number, entry] : d_.partition().entries()) count += !entry->state.ended();
    return count;
  }

  void change_queue() {
    ChangeQueueRequest request;
    request.queue = draw(2) == 0 ? "p" : "q";
    request.reason = "r";
    QueueChanged& said = said_[request.queue];
    request.act = static_cast<QueueAct>(draw(3));
    if (request.act == QueueAct::set_limits) {
      request.concurrency = said.concurrency = static_cast<std::uint32_t>(draw(4));
      if (draw(2) == 0) request.rate = {1 + draw(5000), static_cast<std::uint32_t>(1 + draw(3))};
    } else {
      said.paused = request.act == QueueAct::pause;
    }
    d_.submit<server::ChangeReply<QueueChanged>>(request);
  }

  void change_definition() {
    const std::string name = kDefinitions[draw(3)];
    const bool pause = draw(2) == 0;
    d_.write();
    collect();  // what was handed out before is no news
    d_.submit<server::ChangeReply<DefinitionChanged>>(
        ChangeDefinitionRequest{name, pause ? DefinitionAct::pause : DefinitionAct::resume, 0, "r", "", "", {}});
    if (pause)
      paused_.insert(name);
    else
      paused_.erase(name);
  }

  void collect() {
    for (auto it = polls_.begin(); it != polls_.end();) {
      if (!it->given()) {
        ++it;
        continue;
      }
      if (it->ok())
        for (const HandOut& task : (*it)->tasks) {
          EXPECT_FALSE(paused_.contains(task.definition)) << task.transaction;
          held_.push_back(task);
        }
      it = polls_.erase(it);
    }
  }

  Driver d_;
  std::mt19937_64 random_;
  std::size_t started_ = 0;
  std::map<std::string, QueueChanged> said_;
  std::set<std::string> paused_;
  std::vector<Answer<LeaseReply>> polls_;
  std::vector<HandOut> held_;
};

TEST(Queue, KeepsItsLimitsWhateverHappens) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Chaos chaos(seed);
    for (int step = 0; step < 200; ++step) chaos.step();
    chaos.end();
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace dta::partition
