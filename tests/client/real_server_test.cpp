// The client and worker against the real binary, as a process on a port of the system's choice: whole transactions, a
// compensation, a stop that leaves no lease behind, and a server that is killed under load and started again.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <set>
#include <thread>

#include "dta/client.h"
#include "dta/definition.h"
#include "dta/json.h"
#include "dta/worker.h"

namespace dta {
namespace {

using std::chrono::milliseconds;

// One server process at a time on one data directory; always the same port once it is known.
class RealServer {
 public:
  RealServer() {
    std::string pattern = (std::filesystem::temp_directory_path() / "dta-client-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    start();
  }
  ~RealServer() {
    end(SIGTERM);
    std::filesystem::remove_all(directory_);
  }

  void start() {
    int out[2];
    if (pipe(out) != 0) throw std::runtime_error("no pipe");
    const std::string data = (directory_ / "data").string(), listen = "127.0.0.1:" + port_;
    process_ = fork();
    if (process_ == 0) {
      dup2(out[1], STDOUT_FILENO);
      dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
      close(out[0]);
      execl(DTA_BINARY, "dta", "server", "--data", data.c_str(), "--listen", listen.c_str(), "--grace", "0ms",
            static_cast<char*>(nullptr));
      _exit(127);
    }
    close(out[1]);
    std::string line;
    for (char c = 0; read(out[0], &c, 1) == 1 && c != '\n';) line.push_back(c);
    close(out[0]);
    const std::size_t colon = line.rfind(':');
    if (!line.starts_with("listening on ") || colon == std::string::npos)
      throw std::runtime_error("the server said '" + line + "'");
    port_ = line.substr(colon + 1);
  }
  void end(int signal) {
    kill(process_, signal);
    int status = 0;
    waitpid(process_, &status, 0);
  }
  std::string url() const { return "http://127.0.0.1:" + port_; }

 private:
  std::filesystem::path directory_;
  pid_t process_ = -1;
  std::string port_ = "0";
};

std::string order_definition() {
  DefinitionBuilder order("order", 1);
  order.output(R"({"shelf":"/steps/reserve/stock/output/shelf"})");
  StepBuilder& reserve = order.step("reserve");
  reserve.task("stock", "stock").undo("stock.undo").backoff("1ms", 1, "1ms").max_attempts(1000);
  reserve.task("credit", "credit").undo("credit.undo").backoff("1ms", 1, "1ms").max_attempts(1000);
  order.step("ship").task("courier", "courier").backoff("1ms", 1, "1ms").max_attempts(1000);
  return order.text();
}

// Handlers that keep the effects they had by idempotency key, as a service's own database would.
class Shop {
 public:
  void serve(Worker& worker) {
    worker.on_do("stock", [this](Task& task) { return effect(task, R"({"shelf": "B7"})"); });
    worker.on_do("credit", [this](Task& task) { return effect(task, ""); });
    worker.on_do("courier", [this](Task& task) {
      const auto input = Json::parse(task.input);
      if (input && (*input)["refuse"].boolean()) throw TaskFailed::refused("no_courier", "not to there");
      return effect(task, "");
    });
    for (const char* queue : {"stock.undo", "credit.undo"})
      worker.on_undo(queue, [this](Task& task) {
        effect(task, "");
        return Undone::undone;
      });
  }
  std::set<std::string> effects() const {
    const std::scoped_lock lock(mutex_);
    return effects_;
  }

 private:
  std::string effect(const Task& task, const std::string& output) {
    const std::scoped_lock lock(mutex_);
    effects_.insert(task.transaction + " " + task.task + (task.kind == TaskKind::undo ? " undo" : ""));
    return output;
  }
  mutable std::mutex mutex_;
  std::set<std::string> effects_;
};

WorkerOptions silent(const std::string& name) {
  WorkerOptions options;
  options.name = name;
  options.backoff_first = milliseconds(5);
  options.backoff_cap = milliseconds(50);
  options.on_problem = [](std::string_view) {};
  return options;
}

TEST(RealServer, CompletesAndCompensates) {
  RealServer server;
  Client client(server.url());
  EXPECT_TRUE(client.publish(order_definition()).created);
  EXPECT_FALSE(client.publish(order_definition()).created);
  Shop shop;
  Worker worker(server.url(), silent("w1"));
  shop.serve(worker);
  worker.start();
  const Transaction good =
      client.start({.id = "good", .definition = "order", .input = R"({"n": 1.0})", .wait = milliseconds(60'000)});
  EXPECT_EQ(good.outcome, "completed");
  EXPECT_EQ(Json::parse(good.output).value()["shelf"].string(), "B7");
  client.start({.id = "bad", .definition = "order", .input = R"({"refuse":true})"});
  // The outcome is decided before the undos ran; the terminal event comes after them.
  Transaction bad = client.wait("bad", milliseconds(60'000));
  while (!bad.ended_at) bad = client.get("bad");
  EXPECT_EQ(bad.outcome, "compensated");
  EXPECT_EQ(bad.error.value().code, "no_courier");
  EXPECT_EQ(shop.effects(), (std::set<std::string>{"good stock", "good credit", "good courier", "bad stock",
                                                   "bad credit", "bad stock undo", "bad credit undo"}));
  EXPECT_EQ(client.get("good").input, R"({"n": 1.0})");
  EXPECT_EQ(client.history("good").size(), client.get("good").sequence);
  EXPECT_EQ(client.replay("good").size(), client.get("good").sequence);
  worker.stop();
  worker.wait();
  EXPECT_EQ(worker.counts().refused, 0u);
}

TEST(RealServer, AStoppedWorkerLeavesNoLeaseBehind) {
  RealServer server;
  Client client(server.url());
  client.publish(order_definition());
  {
    Worker worker(server.url(), silent("w1"));
    worker.on_do("stock", [](Task&) { return std::string("{\"shelf\":1}"); });
    worker.start();
    client.start({.id = "a", .definition = "order"});
  }  // stopped here, before, while or after its poll was answered
  const Transaction t = client.get("a");
  for (const TaskState& task : t.steps.at(0).tasks) EXPECT_NE(task.status, "leased") << task.name;
}

TEST(RealServer, WorkGoesOnAfterTheServerWasKilled) {
  RealServer server;
  Client client(server.url(), {.retry_for = std::chrono::minutes(1)});
  client.publish(order_definition());
  Shop shop;
  Worker worker(server.url(), silent("w1"));
  shop.serve(worker);
  worker.start();
  constexpr int kTransactions = 150;
  std::atomic<int> started = 0;
  std::jthread starter([&] {
    for (int i = 0; i < kTransactions; ++i) {
      client.start({.id = "t" + std::to_string(i), .definition = "order"});
      ++started;
      started.notify_all();
    }
  });
  for (const int after : {20, 60, 100}) {
    for (int seen = started; seen < after; seen = started) started.wait(seen);
    server.end(SIGKILL);
    server.start();
  }
  starter.join();
  for (int i = 0; i < kTransactions; ++i)
    EXPECT_EQ(client.wait("t" + std::to_string(i), std::chrono::minutes(2)).outcome, "completed") << i;
  EXPECT_EQ(shop.effects().size(), std::size_t{3 * kTransactions});
}

// Everything that a transaction can wait for, one after the other, with a kill in between.
TEST(RealServer, ATransactionWaitsForPeopleElementsAndParticipants) {
  RealServer server;
  Client client(server.url());
  DefinitionBuilder order("order", 1);
  order.step("approve")
      .wait_for_signal("decision")
      .next(Choice::compensate("refused").when(R"({"==":[{"var":"signals.decision.answer"},"no"]})"));
  StepBuilder& pack = order.step("pack").for_each("/input/parcels").at_once(2);
  pack.task("label", "label").input(R"({"parcel":"/item"})");
  pack.task("weigh", "weigh").after({"label"}).input("\"/tasks/label/output\"");
  order.step("ship").pivot().external_task("courier");
  order.output(R"({"weights":"/steps/pack/weigh/output","by":"/steps/ship/courier/output"})");
  client.publish(order.text());
  client.start({.id = "o", .definition = "order", .input = R"({"parcels":["a","b","c"]})"});
  EXPECT_EQ(client.get("o").steps.at(0).waits_for_signals, std::vector<std::string>{"decision"});
  EXPECT_EQ(client.pause("o", {.reason = "counting"}).status, "paused");
  const Cancelled heard = client.signal("o", "decision", R"({"answer":"yes"})", "d-1");
  server.end(SIGKILL);
  server.start();
  EXPECT_EQ(client.signal("o", "decision", R"({"answer":"yes"})", "d-1").sequence, heard.sequence);
  Worker worker(server.url(), silent("w1"));
  worker.on_do("label", [](Task& task) { return "[" + std::to_string(task.instance) + "," + task.input + "]"; });
  worker.on_do("weigh", [](Task& task) { return task.input; });
  worker.start();
  const Transaction paused = client.get("o");
  EXPECT_EQ(paused.status, "paused");
  EXPECT_EQ(paused.signals.at(0).step, "approve");
  EXPECT_EQ(paused.steps.at(1).instances, 3u);
  for (const TaskState& task : paused.steps.at(1).tasks)
    EXPECT_EQ(task.status, task.name == "label" ? "ready" : "waiting") << task.instance;
  client.resume("o", {.reason = "counted"});
  Transaction t = client.get("o");
  while (t.steps.at(2).state != "entered") t = client.get("o");
  EXPECT_EQ(t.steps.at(2).tasks.at(0).status, "outside");
  EXPECT_EQ(client.cancel("o", {.reason = "changed"}).phase, "running");
  EXPECT_EQ(client.get("o").cancel_requested.value().reason, "changed");
  const Appended reported = client.report_external(
      "o", Expected::any(), {{.step = "ship", .task = "courier", .output = "1.0", .event_id = "e"}});
  EXPECT_FALSE(reported.repeated);
  t = client.wait("o", milliseconds(60'000));
  EXPECT_TRUE(t.completed() && t.pivot_passed);
  EXPECT_EQ(t.output, R"({"weights":[[0,{"parcel":"a"}],[1,{"parcel":"b"}],[2,{"parcel":"c"}]],"by":1.0})");
  std::string replayed;
  for (const Event& event : client.replay("o")) replayed += event.json + "\n";
  for (const char* change :
       {"\"paused\"", "signal decision received", "signal decision consumed by step approve", "\"resumed\"",
        "task pack/weigh/2: not_entered -> waiting", "task pack/weigh/2: waiting -> ready",
        "task pack/label/2: leased -> done", "task ship/courier: outside -> done", "cancel waits for the pivot",
        "pivot passed", "cancel waits no longer"})
    EXPECT_THAT(replayed, testing::HasSubstr(change));
  client.start({.id = "no", .definition = "order", .input = R"({"parcels":[]})"});
  client.signal("no", "decision", R"({"answer":"no"})");
  EXPECT_EQ(client.wait("no", milliseconds(60'000)).outcome, "compensated");
  EXPECT_EQ(client.get("no").reason, "refused");
}

TEST(RealServer, TheTableFormIsAppendedTo) {
  RealServer server;
  Client client(server.url());
  TableBuilder fine("fine", 1, "created");
  fine.transition("created", "Send", "sent").transition("sent", "Payment", "paid").completed("paid");
  client.publish(fine.text());
  const Transaction started = client.start({.id = "A1", .definition = "fine"});
  const Appended sent = client.append("A1", Expected::at(started.sequence), {{.on = "Send", .id = "e1"}});
  EXPECT_EQ(sent.state, "sent");
  EXPECT_TRUE(client.append("A1", Expected::at(started.sequence), {{.on = "Send", .id = "e1"}}).repeated);
  try {
    client.append("A1", Expected::any(), {{.on = "Send"}});
    ADD_FAILURE() << "an illegal event was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "illegal_event");
    EXPECT_EQ(error.problem().current_sequence, sent.sequence);
  }
  client.append("A1", Expected::any(), {{.on = "Payment", .data = R"({"amount": 35.00})"}});
  EXPECT_TRUE(client.get("A1").completed());
  std::vector<std::string> ids;
  client.list_all({.status = "completed"}, [&](const TransactionSummary& row) {
    ids.push_back(row.id);
    return true;
  });
  EXPECT_THAT(ids, testing::ElementsAre("A1"));
  EXPECT_GE(client.events().events.size(), 3u);
}

}  // namespace
}  // namespace dta
