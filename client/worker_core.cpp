// Tasks in hand: handlers, deadlines, heartbeats. The lanes are in worker_lanes.cpp.
#include "client/worker_core.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "client/problem.h"
#include "client/transport.h"

namespace dta {

using client::Release;
using client::Result;
using std::chrono::milliseconds;

namespace {

constexpr std::size_t kQueuesMax = 64;  // the server takes no more in one poll
constexpr std::size_t kNameBytesMax = 128;
constexpr milliseconds kNoHandlerDelay{5'000};  // another worker may know the task
constexpr milliseconds kBeatAgain{500};         // after a heartbeat that did not get through
constexpr milliseconds kBeatTimeout{5'000};
constexpr milliseconds kBeatEveryMin{50};

std::string default_name() {
  char host[65] = {};
  if (gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
  return std::string(host[0] ? host : "worker") + "-" + std::to_string(getpid());
}

}  // namespace

WorkerCore::WorkerCore(std::string_view url, WorkerOptions options)
    : options_(std::move(options)), address_(client::parse_url(url)), poll_prefix_(client::random_id()) {
  if (options_.concurrency == 0) throw Error("invalid_argument", "a worker needs at least one hand");
  poller_.worker = options_.name.empty() ? default_name() : options_.name;
  if (poller_.worker.size() > kNameBytesMax) throw Error("invalid_argument", "a worker's name has at most 128 bytes");
}

WorkerCore::~WorkerCore() {
  stop();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerCore::handle(std::string queue, DoHandler handler) {
  handlers_[std::move(queue)].action = std::move(handler);
}
void WorkerCore::handle(std::string queue, UndoHandler handler) {
  handlers_[std::move(queue)].undo = std::move(handler);
}

void WorkerCore::start() {
  if (handlers_.empty()) throw Error("invalid_argument", "a worker needs a handler for at least one queue");
  if (handlers_.size() > kQueuesMax) throw Error("invalid_argument", "a worker polls at most 64 queues");
  const std::scoped_lock lock(mutex_);
  if (started_) throw Error("invalid_argument", "a worker is started once");
  started_ = true;
  for (const auto& [queue, handlers] : handlers_) poller_.queues.push_back(queue);
  for (unsigned i = 0; i < options_.concurrency; ++i) spawn(&WorkerCore::hands);
  for (int i = 0; i < 2; ++i) spawn(&WorkerCore::lane);
  spawn(&WorkerCore::watch);
  spawn(&WorkerCore::beat);
}

void WorkerCore::spawn(void (WorkerCore::*body)()) {
  ++active_threads_;
  threads_.emplace_back([this, body] {
    (this->*body)();
    const std::scoped_lock lock(mutex_);
    --active_threads_;
    ended_cv_.notify_all();
  });
}

void WorkerCore::stop() {
  const std::scoped_lock lock(mutex_);
  if (stopping_) return;
  stopping_ = true;
  stop_at_ = Clock::now();
  for (const TaskPtr& task : ready_) {
    releases_.push_back({task->token});
    live_.erase(task->token);
  }
  ready_.clear();
  if (interruptible_ != nullptr) interruptible_->interrupt();
  for (auto* cv : {&hands_cv_, &lane_cv_, &watch_cv_, &beat_cv_, &stop_cv_}) cv->notify_all();
}

void WorkerCore::wait() {
  std::unique_lock lock(mutex_);
  ended_cv_.wait(lock, [this] { return active_threads_ == 0; });
}

bool WorkerCore::ended() const {
  const std::scoped_lock lock(mutex_);
  return active_threads_ == 0;
}

WorkerCounts WorkerCore::counts() const {
  const std::scoped_lock lock(mutex_);
  return counts_;
}

std::size_t WorkerCore::free_hands() const {
  const std::size_t room = std::size_t{options_.concurrency} + options_.prefetch;
  return room > in_hand() ? room - in_hand() : 0;
}

void WorkerCore::tell(const std::string& sentence) const {
  if (options_.on_problem)
    options_.on_problem(sentence);
  else
    std::fprintf(stderr, "dta worker %s: %s\n", poller_.worker.c_str(), sentence.c_str());
}

std::string WorkerCore::post(client::HttpConnection& connection, std::string_view path, const std::string& body,
                             milliseconds wait) {
  client::Reply reply = connection.exchange("POST", path, body, options_.answer_timeout + wait);
  if (reply.status < 200 || reply.status >= 300) throw Error(client::problem_of(reply));
  return std::move(reply.body);
}

// The end of the lease as this worker counts it: from receipt, less the margin.
void WorkerCore::extend(Task& task, Clock::time_point receipt, milliseconds lease) {
  const milliseconds margin = std::min(options_.lease_margin, lease / 4);
  task.lease_->deadline = (receipt + lease - margin).time_since_epoch().count();
}

WorkerCore::Clock::time_point WorkerCore::deadline_of(const Task& task) const {
  return Clock::time_point(Clock::duration(task.lease_->deadline.load()));
}

void WorkerCore::hands() {
  for (;;) {
    TaskPtr task;
    {
      std::unique_lock lock(mutex_);
      hands_cv_.wait(lock, [this] { return !ready_.empty() || stopping_; });
      if (ready_.empty()) return;
      task = std::move(ready_.front());
      ready_.pop_front();
      ++running_;
    }
    // A lease that ran out while the task waited for a hand: begun by nobody, so it can be given back.
    const bool too_late = Clock::now() >= deadline_of(*task);
    finish(*task, too_late ? Outcome(Release{task->token}) : run(*task));
  }
}

WorkerCore::Outcome WorkerCore::run(Task& task) {
  const Handlers& handlers = handlers_.at(task.queue);
  const bool undo = task.kind == TaskKind::undo;
  if (undo ? !handlers.undo : !handlers.action) {
    tell("no handler for " + std::string(undo ? "undos" : "tasks") + " of queue " + task.queue + "; giving " +
         task.idempotency_key + " back");
    return Release{task.token, kNoHandlerDelay};
  }
  try {
    if (undo) return client::undone_result(task.token, handlers.undo(task));
    return client::done_result(task.token, handlers.action(task));
  } catch (const TaskFailed& failure) {
    return client::failed_result(task.token, failure);
  } catch (const std::exception& error) {
    tell("the handler of " + task.queue + " threw: " + error.what());
    return client::failed_result(task.token, TaskFailed("exception", error.what(), true, Effect::unknown));
  } catch (...) {
    tell("the handler of " + task.queue + " threw something that is no std::exception");
    return client::failed_result(task.token, TaskFailed("exception", "of an unknown type", true, Effect::unknown));
  }
}

void WorkerCore::finish(Task& task, Outcome outcome) {
  const std::scoped_lock lock(mutex_);
  --running_;
  live_.erase(task.token);
  if (auto* release = std::get_if<Release>(&outcome)) {
    releases_.push_back(std::move(*release));
  } else {
    if (results_.empty()) gather_until_ = Clock::now() + options_.gather;
    results_.push_back(std::move(std::get<Result>(outcome)));
  }
  lane_cv_.notify_all();
  if (stopping_ && in_hand() == 0) {
    watch_cv_.notify_all();
    beat_cv_.notify_all();
  }
}

void WorkerCore::watch() {
  std::unique_lock lock(mutex_);
  while (!stopping_ || in_hand() > 0) {
    const auto now = Clock::now();
    if (stopping_ && now >= stop_at_ + options_.stop_grace) grace_over_ = true;
    auto next = stopping_ && !grace_over_ ? stop_at_ + options_.stop_grace : Clock::time_point::max();
    std::vector<TaskPtr> ending;
    for (const auto& [token, task] : live_) {
      if (task->lease_->stop_given) continue;
      if (grace_over_ || now >= deadline_of(*task)) {
        task->lease_->stop_given = true;
        ending.push_back(task);
      } else {
        next = std::min(next, deadline_of(*task));
      }
    }
    if (!ending.empty()) {  // users' stop callbacks run in here, so without the lock
      lock.unlock();
      for (const TaskPtr& task : ending) task->lease_->stop.request_stop();
      lock.lock();
    } else if (next == Clock::time_point::max()) {
      watch_cv_.wait(lock);
    } else {
      watch_cv_.wait_until(lock, next);
    }
  }
}

// The tasks whose heartbeat is due, and the request for them. Under the lock.
std::vector<WorkerCore::TaskPtr> WorkerCore::due_beats(Clock::time_point now, std::string& body) {
  std::vector<TaskPtr> due;
  JsonArray leases;
  for (const auto& [token, task] : live_) {
    Task::Lease& lease = *task->lease_;
    if (lease.next_beat > now || due.size() == client::kItemsPerRequest) continue;
    JsonObject item;
    item.add("token", token);
    if (!lease.detail.empty()) item.raw("detail", std::exchange(lease.detail, {}));
    leases.raw(item.text());
    lease.next_beat = now + lease.beat_every;
    due.push_back(task);
  }
  body = JsonObject().raw("leases", leases.text()).text();
  return due;
}

void WorkerCore::beat() {
  client::HttpConnection connection(address_, std::min(options_.connect_timeout, kBeatTimeout));
  std::unique_lock lock(mutex_);
  while (!stopping_ || in_hand() > 0) {
    std::string body;
    const auto due = due_beats(Clock::now(), body);
    if (due.empty()) {
      auto next = Clock::time_point::max();
      for (const auto& [token, task] : live_) next = std::min(next, task->lease_->next_beat);
      if (next == Clock::time_point::max())
        beat_cv_.wait(lock);
      else
        beat_cv_.wait_until(lock, next);
      continue;
    }
    lock.unlock();
    try {
      const client::Reply reply = connection.exchange("POST", "/v1/tasks/heartbeat", body, kBeatTimeout);
      const auto receipt = Clock::now();
      if (reply.status != 200) throw Error(client::problem_of(reply));
      const auto answer = Json::parse(reply.body);
      take_beat_answers(due, client::read_item_answers(answer.value_or(Json()), due.size()), receipt);
      lock.lock();
    } catch (const Error& error) {
      tell(std::string("a heartbeat did not get through: ") + error.what());
      lock.lock();
      const auto again = Clock::now() + kBeatAgain;
      for (const TaskPtr& task : due) task->lease_->next_beat = std::min(task->lease_->next_beat, again);
    }
  }
}

void WorkerCore::take_beat_answers(const std::vector<TaskPtr>& due, const std::vector<client::ItemAnswer>& answers,
                                   Clock::time_point receipt) {
  for (std::size_t i = 0; i < due.size(); ++i) {
    const client::ItemAnswer& answer = answers[i];
    // A lease that the server no longer knows: nothing done from here on counts.
    const bool lost = !answer.ok && !may_retry(answer.problem.code);
    if (answer.ok && answer.lease) extend(*due[i], receipt, *answer.lease);
    if (answer.stop || lost) due[i]->lease_->stop.request_stop();
  }
  watch_cv_.notify_all();
}

void WorkerCore::report_progress(Task& task, std::string detail) {
  if (!detail.empty() && !Json::parse(detail)) throw Error("malformed_json", "a heartbeat's detail is one JSON value");
  const std::scoped_lock lock(mutex_);
  if (!detail.empty()) task.lease_->detail = std::move(detail);
  const auto last_beat = task.lease_->next_beat - task.lease_->beat_every;
  task.lease_->next_beat = std::max(Clock::now(), last_beat + kBeatEveryMin);
  beat_cv_.notify_all();
}

}  // namespace dta
