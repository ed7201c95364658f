// See worker.h. Answers are scanned, not parsed: the scan relies on the documented members of a task and on inputs that
// hold none of the looked-for words, which is so for the inputs of this benchmark.
#include "bench/worker.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "bench/workloads.h"

namespace dta::bench {

const char kDefinition[] = R"({"name":"bench","version":1,"steps":[
{"name":"s1","tasks":[
 {"name":"t1","queue":"bench","undo":{"queue":"bench"}},{"name":"t2","queue":"bench","undo":{"queue":"bench"}},
 {"name":"t3","queue":"bench","undo":{"queue":"bench"}},{"name":"t4","queue":"bench","undo":{"queue":"bench"}}]},
{"name":"s2","tasks":[
 {"name":"t1","queue":"bench","undo":{"queue":"bench"}},{"name":"t2","queue":"bench","undo":{"queue":"bench"}},
 {"name":"t3","queue":"bench","undo":{"queue":"bench"}},{"name":"t4","queue":"bench","undo":{"queue":"bench"}}]},
{"name":"s3","tasks":[
 {"name":"t1","queue":"bench","undo":{"queue":"bench"}},{"name":"t2","queue":"bench","undo":{"queue":"bench"}},
 {"name":"t3","queue":"bench","undo":{"queue":"bench"}},{"name":"t4","queue":"bench","undo":{"queue":"bench"}}]}]})";

void publish_definition(std::uint16_t port) {
  int status = 0;
  const std::string answer = call_once(port, "PUT", "/v1/definitions/bench/1", kDefinition, &status);
  if (status == 200 || status == 201) return;
  std::fprintf(stderr, "dta_bench: the definition was refused: %s\n", answer.c_str());
  std::exit(1);
}

Worker::Worker(HttpLoop& loop, WorkMode mode, int connections) : loop_(loop), mode_(mode), busy_(connections) {
  for (int i = 0; i < connections; ++i) poll(loop_.connect());
}

std::string Worker::poll_body() const {
  // A batch of 64 is a step of sixteen sagas; more makes single requests slow without saving much.
  return mode_ == WorkMode::batch ? R"({"queues":["bench"],"max":64,"wait_ms":1000,"worker":"bench"})"
                                  : R"({"queues":["bench"],"max":1,"wait_ms":1000,"worker":"bench"})";
}

void Worker::poll(std::size_t connection) {
  if (stopping_) {
    --busy_;
    return;
  }
  loop_.send(connection, "POST", "/v1/lease", poll_body(),
             [this, connection](const Answer& answer) { take(connection, answer); });
}

void Worker::take(std::size_t connection, const Answer& answer) {
  if (answer.status != 200 || answer.body.find("\"ok\":false") != std::string_view::npos) {
    std::fprintf(stderr, "dta_bench: a worker was refused (%d): %.*s\n", answer.status,
                 static_cast<int>(std::min<std::size_t>(answer.body.size(), 600)), answer.body.data());
    std::exit(1);
  }
  const std::size_t tasks = answer.body.find("\"tasks\":[");
  if (tasks == std::string_view::npos || answer.body.find("\"token\":\"", tasks) == std::string_view::npos) {
    poll(connection);
    return;
  }
  return_results(connection, answer.body.substr(tasks));
}

void Worker::return_results(std::size_t connection, std::string_view tasks) {
  static constexpr std::string_view kToken = "\"token\":\"";
  std::string body = R"({"results":[)";
  std::size_t at = tasks.find(kToken);
  while (at != std::string_view::npos) {
    const std::size_t begin = at + kToken.size(), end = tasks.find('"', begin);
    const std::size_t next = tasks.find(kToken, end);
    const std::string_view task = tasks.substr(begin, next == std::string_view::npos ? next : next - begin);
    const auto says = [task](std::string_view member) { return task.find(member) != std::string_view::npos; };
    const bool refuse =
        says(R"("task":"t4")") && says(R"("step":"s3")") && says(R"("kind":"do")") && says(R"("fail":true)");
    if (body.back() != '[') body += ',';
    body.append(R"({"token":")").append(tasks.substr(begin, end - begin)).append("\"");
    if (refuse) body += R"(,"error":{"code":"refused","message":"as asked"},"retryable":false)";
    body += '}';
    ++tasks_done_;
    at = next;
  }
  body += ']';
  if (!stopping_) body.append(",\"then_lease\":").append(poll_body());
  body += '}';
  loop_.send(connection, "POST", "/v1/tasks/results", body,
             [this, connection](const Answer& answer) { take(connection, answer); });
}

namespace {
volatile std::sig_atomic_t asked_to_stop = 0;
}

// For drivers from elsewhere: works until it gets SIGTERM or SIGINT.
int run_worker(const Options& options) {
  if (options.port == 0) {
    std::fprintf(stderr, "dta_bench: worker needs --port\n");
    return 2;
  }
  std::signal(SIGTERM, [](int) { asked_to_stop = 1; });
  std::signal(SIGINT, [](int) { asked_to_stop = 1; });
  const int connections = options.connections > 0 ? options.connections : options.one_task ? 32 : 4;
  HttpLoop loop(options.port);
  Worker worker(loop, options.one_task ? WorkMode::one_task : WorkMode::batch, connections);
  std::fprintf(stderr, "working on port %d with %d connections\n", options.port, connections);
  while (asked_to_stop == 0) loop.run_once(200);
  worker.stop();
  while (!worker.idle()) loop.run_once(-1);
  std::printf("{\"workload\":\"worker\",\"tasks\":%llu}\n", static_cast<unsigned long long>(worker.tasks_done()));
  return 0;
}

}  // namespace dta::bench
