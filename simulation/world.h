// The world around one server: callers, people, participants, workers and a network that delays, repeats, reorders and
// loses, moved one step at a time by a plan. Whatever the server says is held against its durable log in the moment it
// is said; at the end the faults stop, workers do as they are asked, people decide what waits for them, and everything
// must end. One thread.
//
// world.cpp: the moves and the network. callers.cpp: who starts, cancels, signals. people.cpp: who decides incidents,
// and participants. workers.cpp: workers. drain.cpp: the end. audit.cpp: what is checked.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "simulation/coverage.h"
#include "simulation/data.h"
#include "simulation/host.h"
#include "simulation/ledger.h"
#include "simulation/past.h"
#include "simulation/plan.h"

namespace dta::simulation {

using schema::Duration;
using schema::ErrorCode;
using schema::Result;
using schema::TaskRef;

// Where the clock of every history begins.
inline constexpr Time kBegin{1'700'000'000'000};

class World {
 public:
  enum class Telling : std::uint8_t { silent, aloud };  // aloud: each move is printed as it is made
  // `make_judge` may be empty.
  World(const Plan& plan, std::unique_ptr<Disk> disk, MakeJudge make_judge, server::Metrics& metrics,
        Coverage& coverage, Telling telling);
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // All of it, or no more than so many steps: a move, or a round of the end. Then nothing is checked any more.
  void run(std::uint64_t steps_max = ~std::uint64_t{0});
  std::uint64_t steps() const { return steps_; }
  // Where the count of steps is kept as well, for those who want to know how far a process came that ended itself.
  void count_steps_in(volatile std::uint64_t* place) { step_place_ = place; }
  const std::vector<std::string>& failures() const { return failures_; }
  // The first failure names this transaction; empty: none.
  const std::string& failing_transaction() const { return failing_; }
  const Host& host() const { return host_; }

 private:
  static constexpr std::uint32_t kWilling = 0xffffffff;  // the mood of a worker that does what it is asked

  // A request that somebody wants an answer to, however often it has to be sent.
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
  // What an action did and said, as data: a result of a worker, or the report of a participant.
  using Outcome = std::variant<server::CompletedResult, server::FailedResult, server::ReleasedResult>;
  using Refusable = std::function<bool(ErrorCode, const Events&)>;

  // ---- world.cpp
  void take(const PlannedMove& step);
  bool step_on();  // false: no more
  void take_people(const PlannedMove& step, bool at_once);
  void flush();
  void send(const CallPtr& call, bool at_once);
  void deliver(std::size_t index);
  void crash(const PlannedMove& step, bool power_loss);
  template <class Reply, class Request>
  CallPtr make_call(std::string text, Request request, std::function<void(Call&, const Result<Reply>&)> emitted,
                    std::function<void(const Result<Reply>&)> arrived);
  std::string id_of(std::size_t index) const { return "t" + std::to_string(index); }
  std::size_t number_of(const std::string& id) const { return std::stoul(id.substr(1)); }
  std::size_t definition_index(const std::string& id) const { return plan_.transactions[number_of(id)]; }
  const schema::Definition& definition_of(const std::string& id) const {
    return *plan_.definitions[definition_index(id)];
  }
  const Data& data_of(const std::string& id) const { return data_[definition_index(id)]; }
  std::vector<std::string> ids(schema::Form form) const;
  void fail(std::string what);
  void fail(const std::string& id, std::string what);
  void tell(const std::string& line);

  // ---- callers.cpp
  CallPtr start(std::size_t index, Duration wait);
  CallPtr look(const std::string& id);
  CallPtr append(const std::string& id, std::vector<std::string> names, std::optional<std::uint64_t> expected = {});
  CallPtr cancel(const std::string& id);
  CallPtr signal(const std::string& id, const std::string& name);
  CallPtr pause(const std::string& id);
  CallPtr resume(const std::string& id);
  CallPtr terminate(const std::string& id);
  // An asked change with an id of its own: acknowledged it is in the log, refused for a reason that the log knows.
  template <class Request>
  CallPtr ask(std::string text, Request request, std::function<bool(const Events&)> happened, Refusable may_refuse);
  std::vector<std::string> some_events(const std::string& id, const PlannedMove& step) const;

  // ---- people.cpp
  CallPtr resolve(const std::string& id, std::uint32_t number, schema::IncidentResolution resolution);
  // A person's decision, with what it takes outside: whoever says "done" has seen to it.
  CallPtr decide(const std::string& id, const schema::IncidentRaised& incident);
  void take_part(const std::string& id, const PlannedMove& step, bool at_once);
  CallPtr report_outside(const std::string& id, const std::vector<TaskRef>& tasks, std::uint32_t mood,
                         std::optional<std::uint64_t> expected = {});

  // ---- workers.cpp
  server::Poll poll_of(Worker& worker, std::uint32_t queues, std::size_t max, Duration wait, bool named);
  void poll(Worker& worker, server::Poll poll, bool at_once);
  void receive(Worker& worker, unsigned life, const std::vector<server::HandOut>& tasks);
  void work(Worker& worker, Held& held, std::uint32_t mood);
  Outcome undo(const server::HandOut& task, std::uint32_t mood);
  // Of the action with this key, by a worker or a participant.
  Outcome perform(const std::string& id, const std::string& key, std::string_view step, std::string_view task,
                  std::uint32_t mood);
  void report(Worker& worker, std::size_t count, std::optional<server::Poll> then_lease, bool at_once);
  void heartbeat(Worker& worker, const Held& held, std::uint32_t mood, bool at_once);

  // ---- drain.cpp
  void drain();
  bool workers_are_busy(int round);
  bool people_are_busy(int round);
  void settle(int first_round);

  // ---- audit.cpp
  std::string key_of(const std::string& id, const TaskRef& task) const;  // of its action
  void check_hand_out(const server::HandOut& task);
  void check_undo(const server::HandOut& task, const schema::TaskLeased& leased, const Events& events);
  void check_answer(const server::TaskResult& result, const schema::Status& answer);
  void check_host();
  void check_end();
  void check_transaction(const std::string& id);
  void check_effects(const std::string& id, const Events& events, const Judge* judge);

  const Plan plan_;
  const MakeJudge make_judge_;
  Coverage& coverage_;
  const Telling telling_;
  Time now_;
  Host host_;
  Ledger ledger_;
  std::vector<Data> data_;           // by definition
  std::vector<std::string> queues_;  // of all definitions
  std::uint64_t steps_ = 0, steps_max_ = 0;
  volatile std::uint64_t* step_place_ = nullptr;
  std::vector<Message> network_;
  std::vector<CallPtr> calls_;
  bool prompt_ = false;  // replies arrive at once
  std::vector<Worker> workers_;
  std::uint64_t names_ = 0;      // of polls, events and requests given so far
  std::set<std::string> known_;  // transactions whose start was acknowledged
  std::set<std::string> created_;
  std::map<std::string, std::string> transaction_of_;        // token to transaction
  std::map<std::string, std::optional<ErrorCode>> answers_;  // by token
  std::map<std::string, std::string> inputs_;                // as handed out, by key of the action
  std::map<std::string, Outcome> reported_;                  // what participants say, by key of the action
  // What was decided about an incident; and which words were refused.
  std::map<std::pair<std::string, std::uint32_t>, schema::IncidentResolution> decisions_;
  std::set<std::pair<std::string, std::uint32_t>> refused_decisions_;
  std::vector<std::string> failures_;
  std::string failing_;
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
