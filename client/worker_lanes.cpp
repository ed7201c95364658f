// The lanes: when to send what, and sending it until it is answered.
//
// Results wait for each other a moment (WorkerOptions::gather) while others are still being worked on, and a poll waits
// as long for results to travel with: so the tasks of a step that come together go back together, in one request that
// polls for the next ones as well.
#include <algorithm>

#include "client/backoff.h"
#include "client/worker_core.h"

namespace dta {

using client::HttpConnection;
using client::Poll;
using client::Release;
using client::Result;
using std::chrono::milliseconds;

namespace {

template <class Exchange>
std::optional<Error> refusal_of(Exchange&& exchange) {
  try {
    exchange();
    return std::nullopt;
  } catch (const Error& error) {
    return error;
  }
}

}  // namespace

void WorkerCore::lane() {
  HttpConnection connection(address_, options_.connect_timeout);
  while (auto load = next_load()) carry(connection, std::move(*load));
}

std::optional<WorkerCore::Load> WorkerCore::next_load() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const bool idle = in_hand() == 0;
    const bool reports = !results_.empty() || !releases_.empty();
    const bool may_poll = !stopping_ && !poll_open_ && free_hands() > 0;
    const bool at_once = idle || stopping_ || !releases_.empty() || results_.size() >= client::kItemsPerRequest;
    if (reports || may_poll) {
      if (at_once || Clock::now() >= gather_until_) return take_load(may_poll);
      lane_cv_.wait_until(lock, gather_until_);
    } else {
      if (stopping_ && idle) {
        lane_cv_.notify_all();
        return std::nullopt;
      }
      lane_cv_.wait(lock);
    }
  }
}

WorkerCore::Load WorkerCore::take_load(bool may_poll) {
  Load load;
  const std::size_t releases = std::min(releases_.size(), client::kItemsPerRequest);
  load.releases.assign(std::make_move_iterator(releases_.begin()),
                       std::make_move_iterator(releases_.begin() + static_cast<std::ptrdiff_t>(releases)));
  releases_.erase(releases_.begin(), releases_.begin() + static_cast<std::ptrdiff_t>(releases));
  for (std::size_t bytes = 0; !results_.empty() && load.results.size() < client::kItemsPerRequest;) {
    bytes += results_.front().json.size();
    if (bytes > client::kBytesPerRequest && !load.results.empty()) break;
    load.results.push_back(std::move(results_.front()));
    results_.pop_front();
  }
  if (may_poll) {
    const std::size_t max = std::min(free_hands(), client::kItemsPerRequest);
    load.poll = Poll{poll_prefix_ + "-" + std::to_string(++polls_), max, options_.poll_wait};
    poll_open_ = true;
  }
  return load;
}

void WorkerCore::carry(HttpConnection& connection, Load load) {
  if (!load.releases.empty()) {
    const auto refusal = persist([&] { send_releases(connection, load); }, [this] { return past_last_try(); });
    if (refusal) tell(std::string("leases could not be given back: ") + refusal->what());
  }
  if (!load.results.empty()) carry_results(connection, load);
  if (load.poll) carry_poll(connection, load);
  if (load.poll) give_up_poll();
}

// First together with the poll; then, when a stop or a refusal came between, the results for themselves; then, when the
// batch as a whole is refused, one by one, so that one of them cannot take the others with it.
void WorkerCore::carry_results(HttpConnection& connection, Load& load) {
  if (load.poll && allow_interruption(connection)) {
    const auto failure = persist([&] { send_results(connection, load); }, [this] { return stopping(); });
    end_interruption(connection);
    if (!failure) return;
  }
  const auto last_try = [this] { return past_last_try(); };
  Load alone{.results = std::move(load.results), .releases = {}, .poll = {}};
  load.results.clear();
  auto refusal = persist([&] { send_results(connection, alone); }, last_try);
  if (!refusal) return;
  for (Result& result : alone.results) {
    Load single{.results = {}, .releases = {}, .poll = {}};
    single.results.push_back(std::move(result));
    if (alone.results.size() > 1) refusal = persist([&] { send_results(connection, single); }, last_try);
    if (!refusal) continue;
    tell("the result of lease " + single.results.front().token + " was not taken: " + refusal->what());
    const std::scoped_lock lock(mutex_);
    ++counts_.refused;
  }
}

void WorkerCore::carry_poll(HttpConnection& connection, Load& load) {
  const Poll poll = *load.poll;
  std::optional<Error> refusal;
  if (allow_interruption(connection)) {
    refusal = persist([&] { send_poll(connection, load, poll); }, [this] { return stopping(); });
    end_interruption(connection);
  }
  if (!load.poll) return;
  if (stopping()) {
    // The poll may have been answered just when it was given up. Asked once more, it names the leases it gave.
    const Poll again{poll.id, 1, milliseconds(0)};
    const auto failure = refusal_of([&] { send_poll(connection, load, again); });
    if (failure && failure->code() != "connection_failed")
      tell(std::string("the last poll failed: ") + failure->what());
  } else if (refusal) {
    tell(std::string("polling is refused: ") + refusal->what());
    pause(options_.backoff_cap);
  }
}

// One exchange, repeated until it is answered. Gives the refusal, or the last failure once giving up is allowed.
std::optional<Error> WorkerCore::persist(const std::function<void()>& exchange, const std::function<bool()>& give_up) {
  client::Backoff backoff(options_.backoff_first, options_.backoff_cap);
  for (bool told = false;; told = true) {
    const auto failure = refusal_of(exchange);
    if (!failure || !failure->may_retry() || give_up()) return failure;
    if (!told) tell(std::string("will send again: ") + failure->what());
    pause(backoff.next(failure->problem().retry_after));
    if (give_up()) return failure;
  }
}

void WorkerCore::send_results(HttpConnection& connection, Load& load) {
  const bool polls = load.poll.has_value();
  const std::string then_lease = polls ? client::write_poll(poller_, *load.poll) : std::string();
  const std::string body = post(connection, "/v1/tasks/results", client::write_results(load.results, then_lease),
                                polls ? load.poll->wait : milliseconds(0));
  const auto receipt = Clock::now();
  const Json answer = Json::parse(body).value_or(Json());
  const auto answers = client::read_item_answers(answer, load.results.size());
  if (polls) {
    receive(answer["tasks"], receipt);
    load.poll.reset();
  }
  std::vector<Result> again;
  std::optional<Error> unsettled;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    Result& result = load.results[i];
    if (!answers[i].ok && may_retry(answers[i].problem.code)) {
      unsettled.emplace(answers[i].problem);
      again.push_back(std::move(result));
      continue;
    }
    if (!answers[i].ok)
      tell("the result of lease " + result.token + " was refused: " + Error(answers[i].problem).what());
    const std::scoped_lock lock(mutex_);
    ++(!answers[i].ok ? counts_.refused : result.failure ? counts_.failed : counts_.done);
  }
  load.results = std::move(again);
  if (unsettled) throw *unsettled;
}

void WorkerCore::send_poll(HttpConnection& connection, Load& load, const Poll& poll) {
  const std::string body = post(connection, "/v1/lease", client::write_poll(poller_, poll), poll.wait);
  const auto receipt = Clock::now();
  const auto answer = Json::parse(body);
  if (!answer) throw Error("connection_failed", "the answer to a poll is not JSON");
  receive((*answer)["tasks"], receipt);
  load.poll.reset();
}

void WorkerCore::send_releases(HttpConnection& connection, Load& load) {
  const std::string body =
      post(connection, "/v1/tasks/release", client::write_releases(load.releases), milliseconds(0));
  const auto answers = client::read_item_answers(Json::parse(body).value_or(Json()), load.releases.size());
  std::vector<Release> again;
  std::optional<Error> unsettled;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i].ok && may_retry(answers[i].problem.code)) {
      unsettled.emplace(answers[i].problem);
      again.push_back(std::move(load.releases[i]));
    } else if (answers[i].ok) {
      const std::scoped_lock lock(mutex_);
      ++counts_.released;
    }
  }
  load.releases = std::move(again);
  if (unsettled) throw *unsettled;
}

void WorkerCore::give_up_poll() {
  const std::scoped_lock lock(mutex_);
  poll_open_ = false;
  lane_cv_.notify_all();
}

// Lets stop() interrupt this connection, whose exchange may wait long; false when the stop has come already.
bool WorkerCore::allow_interruption(HttpConnection& connection) {
  const std::scoped_lock lock(mutex_);
  if (!stopping_) interruptible_ = &connection;
  return !stopping_;
}

// What is sent from here on is not interrupted, nor is it by a stop that came before.
void WorkerCore::end_interruption(HttpConnection& connection) {
  const std::scoped_lock lock(mutex_);
  if (interruptible_ == &connection) interruptible_ = nullptr;  // the other lane may have begun the next poll
  connection.resume();
}

// The answer of the open poll. That it is answered and what it gave become known together: else the other lane would
// see free hands where there are none.
void WorkerCore::receive(const Json& tasks, Clock::time_point receipt) {
  std::vector<TaskPtr> received;
  for (const Json& item : tasks.items()) {
    auto task = std::make_shared<Task>();
    const client::LeaseLengths lengths = client::read_task(item, *task);
    Task::Lease& lease = *task->lease_;
    lease.core = this;
    lease.beat_every = lengths.heartbeat ? std::max(*lengths.heartbeat / 3, milliseconds(1)) : options_.stop_check;
    lease.next_beat = receipt + lease.beat_every;
    extend(*task, receipt, lengths.lease);
    received.push_back(std::move(task));
  }
  const std::scoped_lock lock(mutex_);
  poll_open_ = false;
  lane_cv_.notify_all();
  if (received.empty()) return;
  counts_.leased += received.size();
  for (TaskPtr& task : received) {
    if (stopping_ || !handlers_.contains(task->queue)) {
      releases_.push_back({task->token});
    } else if (live_.emplace(task->token, task).second) {
      ready_.push_back(std::move(task));
    }
  }
  gather_until_ = Clock::now() + options_.gather;
  hands_cv_.notify_all();
  watch_cv_.notify_all();
  beat_cv_.notify_all();
}

void WorkerCore::pause(milliseconds length) {
  std::unique_lock lock(mutex_);
  const bool was_stopping = stopping_;
  stop_cv_.wait_for(lock, length, [&] { return stopping_ != was_stopping; });
}

bool WorkerCore::stopping() const {
  const std::scoped_lock lock(mutex_);
  return stopping_;
}

// After a stop: one grace for the handlers, and one more for their results.
bool WorkerCore::past_last_try() const {
  const std::scoped_lock lock(mutex_);
  return stopping_ && Clock::now() >= stop_at_ + 2 * options_.stop_grace;
}

}  // namespace dta
