// The public face of the worker over WorkerCore.
#include "dta/worker.h"

#include <csignal>
#include <ctime>

#include "client/worker_core.h"

namespace dta {

TaskFailed::TaskFailed(std::string c, const std::string& message, bool r, Effect e, std::string d)
    : std::runtime_error(message), code(std::move(c)), retryable(r), effect(e), details(std::move(d)) {}

TaskFailed TaskFailed::refused(std::string code, const std::string& message) {
  return TaskFailed(std::move(code), message, false, Effect::none);
}

Task::Task() : lease_(std::make_unique<Lease>()) {}
Task::~Task() = default;

std::stop_token Task::stop_token() const {
  return lease_->stop.get_token();
}

std::chrono::steady_clock::time_point Task::deadline() const {
  return std::chrono::steady_clock::time_point(std::chrono::steady_clock::duration(lease_->deadline.load()));
}

void Task::report_progress(std::string detail) {
  lease_->core->report_progress(*this, std::move(detail));
}

Worker::Worker(std::string_view url, WorkerOptions options)
    : core_(std::make_unique<WorkerCore>(url, std::move(options))) {}
Worker::~Worker() = default;

Worker& Worker::on_do(std::string queue, DoHandler handler) {
  core_->handle(std::move(queue), std::move(handler));
  return *this;
}

Worker& Worker::on_undo(std::string queue, UndoHandler handler) {
  core_->handle(std::move(queue), std::move(handler));
  return *this;
}

void Worker::start() {
  core_->start();
}
void Worker::stop() {
  core_->stop();
}
void Worker::wait() {
  core_->wait();
}

void Worker::run() {
  start();
  wait();
}

void Worker::run_until_signalled() {
  sigset_t signals, before;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, &before);
  start();
  // Short waits, because the worker may also be stopped by a call.
  const timespec moment{.tv_sec = 0, .tv_nsec = 200'000'000};
  while (!core_->ended() && sigtimedwait(&signals, nullptr, &moment) < 0) continue;
  stop();
  wait();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

WorkerCounts Worker::counts() const {
  return core_->counts();
}

}  // namespace dta
