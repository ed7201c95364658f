// `fanout`: one transaction whose for_each step holds ten thousand elements, against a real server process over HTTP
// and JSON, one stage after the other. What looks at every task of a step for each of its events takes a hundred
// million looks here, and shows nowhere else. Cases:
//   one, one_comp      a task with an undo an element, and a step behind it;
//   after, after_comp  two tasks an element, the second after the first, at most 500 handed out at once.
// In `_comp` the task of the step behind refuses for good, and every element is undone. In the middle of the wide step
// the server is killed and started again. The worker is one connection that returns a batch with the next poll in the
// same request.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "bench/http_loop.h"
#include "bench/server_process.h"
#include "bench/workloads.h"

namespace dta::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kToken = "\"token\":\"";
constexpr std::size_t kBatch = 500;  // tasks in one request

struct Case {
  const char* name;
  const char* definition;
  const char* document;
  std::size_t tasks;  // of an element
  bool fail;
};

constexpr char kOne[] = R"({"name":"one","version":1,"steps":[
{"name":"wide","for_each":"/input/items","tasks":[{"name":"first","queue":"fan","undo":{"queue":"fan"}}]},
{"name":"last","tasks":[{"name":"seal","queue":"fan","input":{"fail":"/input/fail"}}]}],
"output":{"all":"/steps/wide/first/output"}})";
constexpr char kAfter[] = R"({"name":"after","version":1,"steps":[
{"name":"wide","for_each":"/input/items","at_once":500,"tasks":[
 {"name":"first","queue":"fan","undo":{"queue":"fan"}},
 {"name":"second","queue":"fan","after":["first"],"undo":{"queue":"fan"},"input":{"of":"/tasks/first/output/n"}}]},
{"name":"last","tasks":[{"name":"seal","queue":"fan","input":{"fail":"/input/fail"}}]}],
"output":{"all":"/steps/wide/second/output"}})";

constexpr Case kCases[] = {{"one", "one", kOne, 1, false},
                           {"after", "after", kAfter, 2, false},
                           {"one_comp", "one", kOne, 1, true},
                           {"after_comp", "after", kAfter, 2, true}};

[[noreturn]] void give_up(const char* what, int status, std::string_view answer) {
  std::fprintf(stderr, "dta_bench: %s was answered %d: %.*s\n", what, status,
               static_cast<int>(std::min<std::size_t>(answer.size(), 600)), answer.data());
  std::exit(1);
}

double since(Clock::time_point began) {
  return std::chrono::duration<double>(Clock::now() - began).count();
}

// Takes tasks and returns them, batch by batch. Every poll has a name: the tasks of the last one stay leased when
// work() returns, and the next work() begins by asking for them again, also of a server that was started anew.
class BatchWorker {
 public:
  explicit BatchWorker(std::size_t batch) : batch_(batch) {}
  void connect(std::uint16_t port) {
    loop_ = std::make_unique<HttpLoop>(port);
    connection_ = loop_->connect();
  }
  // Returns `enough` tasks or more, or all there are; how many it were.
  std::size_t work(std::size_t enough) {
    returned_ = 0;
    std::string answer = call("/v1/lease", poll());
    while (returned_ < enough && tasks_of(answer).find(kToken) != std::string_view::npos) answer = give_back(answer);
    return returned_;
  }
  double take_slowest_ms() { return std::exchange(slowest_ms_, 0); }  // of the requests since it was asked

 private:
  // Results in an answer have tokens too; its tasks stand behind them.
  static std::string_view tasks_of(std::string_view answer) { return answer.substr(answer.find("\"tasks\":[")); }
  std::string poll() const {
    return R"({"queues":["fan"],"max":)" + std::to_string(batch_) + R"(,"wait_ms":0,"worker":"bench","poll_id":"p)" +
           std::to_string(polls_) + "\"}";
  }
  std::string give_back(const std::string& answer) {
    std::string body = R"({"results":[)";
    const std::string_view text = tasks_of(answer);
    for (std::size_t at = text.find(kToken); at != std::string_view::npos;) {
      const std::size_t begin = at + kToken.size(), end = text.find('"', begin), next = text.find(kToken, end);
      const std::string_view task = text.substr(begin, next == std::string_view::npos ? next : next - begin);
      const auto says = [task](std::string_view member) { return task.find(member) != std::string_view::npos; };
      if (body.back() != '[') body += ',';
      body.append(R"({"token":")").append(text.substr(begin, end - begin)).append("\"");
      if (says(R"("fail":true)"))
        body += R"(,"error":{"code":"refused","message":"as asked"},"retryable":false)";
      else if (says(R"("kind":"do")"))
        body += R"(,"output":{"n":)" + std::to_string(returned_) + "}";
      body += '}';
      ++returned_;
      at = next;
    }
    ++polls_;
    return call("/v1/tasks/results", body + R"(],"then_lease":)" + poll() + "}");
  }
  std::string call(const char* target, const std::string& body) {
    std::string text;
    bool answered = false;
    const auto began = Clock::now();
    loop_->send(connection_, "POST", target, body, [&](const Answer& answer) {
      if (answer.status != 200 || answer.body.find("\"ok\":false") != std::string_view::npos)
        give_up("a worker", answer.status, answer.body);
      text = answer.body;
      answered = true;
    });
    while (!answered) loop_->run_once(-1);
    slowest_ms_ = std::max(slowest_ms_, since(began) * 1000);
    return text;
  }

  std::unique_ptr<HttpLoop> loop_;
  const std::size_t batch_;
  std::size_t connection_ = 0, returned_ = 0, polls_ = 1;
  double slowest_ms_ = 0;
};

// What one stage took and handled: a JSON line on standard output, and a row of a table on standard error.
class Stages {
 public:
  Stages(const Case& which, std::size_t elements, int repetition)
      : case_(which), elements_(elements), repetition_(repetition) {
    std::fprintf(stderr, "%-11s%-9s%9s%9s%12s %-7s%12s%9s\n", which.name, "stage", "s", "cpu s", "amount", "",
                 "slowest ms", "RSS MiB");
  }

  // `run` returns how much it handled.
  template <class Run>
  void measure(const char* stage, const char* unit, const ServerProcess& server, BatchWorker& worker, Run&& run) {
    const double cpu = server.cpu_seconds();
    const auto began = Clock::now();
    const std::size_t amount = run();
    const double seconds = since(began);
    report(stage, unit, amount, seconds, server.cpu_seconds() - cpu, worker.take_slowest_ms(), server);
  }
  void report(const char* stage, const char* unit, std::size_t amount, double seconds, double cpu, double slowest_ms,
              const ServerProcess& server) const {
    const double rss = static_cast<double>(server.rss_bytes()) / (1 << 20);
    std::printf(
        "{\"workload\":\"fanout\",\"variant\":\"%s\",\"elements\":%zu,\"repetition\":%d,\"stage\":\"%s\",\"seconds\":%."
        "4f,"
        "\"server_cpu_s\":%.2f,\"amount\":%zu,\"unit\":\"%s\",\"slowest_ms\":%.1f,\"server_rss_mib\":%.0f}\n",
        case_.name, elements_, repetition_, stage, seconds, cpu, amount, unit, slowest_ms, rss);
    std::fflush(stdout);
    std::fprintf(stderr, "%-11s%-9s%9.3f%9.2f%12zu %-7s%12.1f%9.0f\n", "", stage, seconds, cpu, amount, unit,
                 slowest_ms, rss);
  }

 private:
  const Case& case_;
  const std::size_t elements_;
  const int repetition_;
};

std::string get(const ServerProcess& server, const std::string& target) {
  int status = 0;
  std::string answer = call_once(server.port(), "GET", target, "", &status);
  if (status != 200) give_up(target.c_str(), status, answer);
  return answer;
}

void expect(const std::string& answer, const char* wanted) {
  if (answer.find(wanted) == std::string::npos) give_up(wanted, 200, answer);
}

std::string start_body(const Case& which, std::size_t elements, const std::string& id) {
  std::string body = R"({"id":")" + id + R"(","definition":")" + which.definition + R"(","input":{"fail":)" +
                     (which.fail ? "true" : "false") + R"(,"items":[)";
  for (std::size_t i = 0; i < elements; ++i)
    body += std::string(i == 0 ? "" : ",") + R"({"sku":"A-)" + std::to_string(i) + R"(","count":)" +
            std::to_string(i % 7) + "}";
  return body + "]}}";
}

std::size_t start(const ServerProcess& server, const std::string& body) {
  int status = 0;
  const std::string answer = call_once(server.port(), "POST", "/v1/transactions", body, &status);
  if (status != 201) give_up("a start", status, answer);
  return body.size();
}

// Every event once, a thousand a page.
std::size_t read_history(const ServerProcess& server, const std::string& path) {
  std::size_t events = 0;
  for (;;) {
    const std::string page = get(server, path + "/history?limit=1000&from=" + std::to_string(events + 1));
    const auto lines = static_cast<std::size_t>(std::count(page.begin(), page.end(), '\n'));
    events += lines;
    if (lines < 1000) return events;
  }
}

std::unique_ptr<ServerProcess> start_server(const Options& options, const std::string& data) {
  auto server = std::make_unique<ServerProcess>(options.dta, data);
  int status = 0;
  do call_once(server->port(), "GET", "/readyz", "", &status);  // it listens before it is ready
  while (status != 200);
  return server;
}

void run_case(const Options& options, const Case& which, std::size_t elements, int repetition) {
  const std::string data = options.folder + "/" + which.name + std::to_string(repetition);
  auto server = start_server(options, data);
  int status = 0;
  const std::string document = "/v1/definitions/" + std::string(which.definition) + "/1";
  const std::string published = call_once(server->port(), "PUT", document, which.document, &status);
  if (status != 201) give_up("the definition", status, published);

  BatchWorker worker(options.one_task ? 1 : std::min(kBatch, elements / 4));
  worker.connect(server->port());
  Stages stages(which, elements, repetition);
  const auto stage = [&](const char* name, const char* unit, auto&& run) {
    stages.measure(name, unit, *server, worker, run);
  };
  stage("idle", "", [] { return std::size_t{0}; });
  const std::string path = "/v1/transactions/wide";
  const std::string body = start_body(which, elements, "wide");
  const std::size_t tasks = elements * which.tasks;
  std::size_t done = 0, events = 0;
  stage("start", "bytes", [&] { return start(*server, body); });
  stage("get", "bytes", [&] { return get(*server, path).size(); });
  stage("half", "tasks", [&] { return done = worker.work(tasks / 2); });
  server->kill_now();
  const auto began = Clock::now();
  server = start_server(options, data);
  worker.connect(server->port());
  stages.report("restart", "tasks", done, since(began), server->cpu_seconds(), 0, *server);
  stage("rest", "tasks", [&] { return worker.work(tasks - done); });
  stage(which.fail ? "undo" : "end", "tasks", [&] { return worker.work(tasks + 1); });
  expect(get(*server, path), which.fail ? "\"phase\":\"compensated\"" : "\"phase\":\"completed\"");
  stage("get_end", "bytes", [&] { return get(*server, path).size(); });
  stage("history", "events", [&] { return events = read_history(*server, path); });
  stage("at", "bytes", [&] { return get(*server, path + "?at=" + std::to_string(events / 2)).size(); });
  stage("replay", "bytes", [&] { return get(*server, path + "/replay").size(); });
}

}  // namespace

int run_fanout(const Options& options) {
  const std::size_t elements = options.transactions != 0 ? options.transactions : options.quick ? 40 : 10'000;
  for (const Case& which : kCases)
    for (int repetition = 1; repetition <= options.repetitions; ++repetition)
      run_case(options, which, elements, repetition);
  return 0;
}

}  // namespace dta::bench
