// The world around one server: callers, workers and a network that delays, repeats, reorders and loses, moved one step
// at a time by a plan. Whatever the server says is held against its durable log in the moment it is said; at the end
// the faults stop, workers do as they are asked, and everything must end or say which person it waits for. One thread.
//
// world.cpp: the moves, the network, callers. workers.cpp: workers. audit.cpp: what is checked.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/host.h"
#include "tests/simulation/ledger.h"
#include "tests/simulation/plan.h"

namespace dta::simulation {

using schema::Duration;
using schema::ErrorCode;
using schema::Result;

struct Coverage {
  std::map<std::string, std::uint64_t> events;       // by kind
  std::map<std::string, std::uint64_t> transitions;  // by phase and kind
  std::map<std::string, std::uint64_t> ends;         // transactions, by the phase they stand in at the end
};

class World {
 public:
  // `tell`: each move is printed as it is made.
  World(const Plan& plan, server::Metrics& metrics, Coverage& coverage, bool tell);
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  void run();
  const std::vector<std::string>& failures() const { return failures_; }

 private:
  static constexpr std::uint32_t kWilling = 0xffffffff;  // the mood of a worker that does what it is asked

  // A request that a caller or worker wants an answer to, however often it has to be sent.
  struct Call {
    std::string text;
    std::function<void()> submit;  // hands it to the partition
    bool answered = false;
    bool firm = false;  // an acknowledgement was let out: it must never be taken back
    std::uint64_t first_sequence = 0;
  };
  using CallPtr = std::shared_ptr<Call>;
  struct Message {
    std::string text;
    std::function<void()> arrive;
  };
  struct Held {
    server::HandOut task;
    std::optional<server::TaskResult> result;
    bool reported = false;
  };
  struct Worker {
    std::string name;
    unsigned life = 1;
    std::vector<Held> held;
    std::set<std::string> seen;  // tokens
  };

  // ---- world.cpp
  void take(const PlannedMove& step);
  void drain();
  void flush();
  void send(const CallPtr& call, bool at_once);
  void deliver(std::size_t index);
  template <class Reply, class Request>
  CallPtr make_call(std::string text, Request request, std::function<void(Call&, const Result<Reply>&)> emitted,
                    std::function<void(const Result<Reply>&)> arrived);
  CallPtr start(std::size_t index, Duration wait);
  CallPtr cancel(const std::string& id);
  CallPtr append(const std::string& id, std::vector<std::string> names, std::optional<std::uint64_t> expected = {});
  CallPtr look(const std::string& id);
  void crash(const PlannedMove& step, bool power_loss);
  std::string id_of(std::size_t index) const;
  const schema::DefinitionPtr& definition_of(const std::string& id) const;
  void fail(std::string what);
  void tell(const std::string& line);

  // ---- workers.cpp
  server::Poll poll_of(Worker& worker, std::uint32_t queues, std::size_t max, Duration wait, bool named);
  void poll(Worker& worker, server::Poll poll, bool at_once);
  void receive(Worker& worker, unsigned life, const std::vector<server::HandOut>& tasks);
  void work(Worker& worker, Held& held, std::uint32_t mood);
  server::TaskResult undo(const Held& held, std::uint32_t mood);
  server::TaskResult perform(const Held& held, std::uint32_t mood);
  void report(Worker& worker, std::size_t count, std::optional<server::Poll> then_lease, bool at_once);
  void heartbeat(Worker& worker, const Held& held, std::uint32_t mood, bool at_once);

  // ---- audit.cpp
  void check_hand_out(const server::HandOut& task);
  void check_undo(const server::HandOut& task, bool is_left_over);
  void check_answer(const server::TaskResult& result, const schema::Status& answer);
  void check_host();
  void check_end();
  void check_transaction(const std::string& id);
  void check_effects(const std::string& id, const model::Transaction& transaction);
  void cover(const std::vector<model::Logged>& events);

  const Plan plan_;
  Coverage& coverage_;
  const bool tell_;
  Time now_;
  Host host_;
  Ledger ledger_;
  std::vector<schema::DefinitionPtr> definitions_;
  std::vector<Message> network_;
  std::vector<CallPtr> calls_;
  bool prompt_ = false;  // replies arrive at once
  std::vector<Worker> workers_;
  std::uint64_t names_ = 0;      // of polls and events given so far
  std::set<std::string> known_;  // transactions whose start was acknowledged
  std::set<std::string> created_;
  std::map<std::string, std::string> transaction_of_;        // token to transaction
  std::map<std::string, std::optional<ErrorCode>> answers_;  // by token
  std::map<std::string, std::string> inputs_;                // as handed out, by key of the action
  std::vector<std::string> failures_;
};

template <class Reply, class Request>
World::CallPtr World::make_call(std::string text, Request request,
                                std::function<void(Call&, const Result<Reply>&)> emitted,
                                std::function<void(const Result<Reply>&)> arrived) {
  auto call = std::make_shared<Call>();
  call->text = std::move(text);
  call->submit = [this, weak = std::weak_ptr<Call>(call), request = std::move(request), emitted = std::move(emitted),
                  arrived = std::move(arrived)] {
    Request copy = request;
    copy.reply = [this, to = weak.lock(), emitted, arrived](Result<Reply> reply) {
      // It may have happened or not: only the same request again can tell.
      if (!reply && reply.error().code == ErrorCode::outcome_unknown) return;
      emitted(*to, reply);
      Message message{"the answer to " + to->text, [to, arrived, reply = std::move(reply)] {
                        to->answered = true;
                        arrived(reply);
                      }};
      if (prompt_)
        message.arrive();
      else
        network_.push_back(std::move(message));
    };
    host_.partition().handle(std::move(copy), now_);
  };
  calls_.push_back(call);
  return call;
}

}  // namespace dta::simulation
