// Drives several connections statement by statement, in an order that the caller chooses.
//
// Each body runs on a thread of its own and stops before every statement, commit and rollback. One is let go at a time,
// and the next choice is made when every body that was let go stands before its next statement, has ended, or waits in
// the database for another one. So an order of choices is an interleaving, and the same choices give the same one.
// BEGIN is no stop: to the database nothing has happened by then.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "dta/barrier.h"

namespace barrier_test {

// Of `count` bodies that could go on, in the order of their numbers: which.
using Choose = std::function<std::size_t(std::size_t count)>;

// Goes through every sequence of choices, the last one changing fastest.
class EveryOrder {
 public:
  Choose chooser() {
    depth_ = 0;
    return [this](std::size_t count) {
      if (depth_ == taken_.size()) taken_.push_back({0, count});
      return taken_[depth_++].choice;
    };
  }
  bool next() {
    while (!taken_.empty() && taken_.back().choice + 1 == taken_.back().count) taken_.pop_back();
    if (taken_.empty()) return false;
    ++taken_.back().choice;
    return true;
  }
  std::string text() const {
    std::string text;
    for (const Taken& taken : taken_) text += std::to_string(taken.choice);
    return text;
  }

 private:
  struct Taken {
    std::size_t choice, count;
  };
  std::vector<Taken> taken_;
  std::size_t depth_ = 0;
};

// Where the bodies stand. `go` is for the bodies' threads, the rest for the one that chooses.
class Stage {
 public:
  explicit Stage(std::size_t bodies) : places_(bodies, Place::running) {}

  void stop_before_statement(std::size_t body) { change(body, Place::stopped, true); }
  void end(std::size_t body) { change(body, Place::ended, false); }

  bool running(std::size_t body) {
    const std::lock_guard lock(mutex_);
    return places_[body] == Place::running;
  }
  std::vector<std::size_t> stopped() {
    const std::lock_guard lock(mutex_);
    std::vector<std::size_t> bodies;
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (places_[i] == Place::stopped) bodies.push_back(i);
    }
    return bodies;
  }
  bool all_ended() {
    const std::lock_guard lock(mutex_);
    for (const Place place : places_) {
      if (place != Place::ended) return false;
    }
    return true;
  }
  void let_go(std::size_t body) {
    const std::lock_guard lock(mutex_);
    places_[body] = Place::running;
    changed_.notify_all();
  }
  // After a deadlock: the database ends it, and everybody runs to the end.
  void let_all_go() {
    const std::lock_guard lock(mutex_);
    free_ = true;
    changed_.notify_all();
  }

 private:
  enum class Place { running, stopped, ended };

  void change(std::size_t body, Place place, bool wait) {
    std::unique_lock lock(mutex_);
    if (free_ && wait) return;
    places_[body] = place;
    if (wait) changed_.wait(lock, [&] { return places_[body] == Place::running || free_; });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Place> places_;
  bool free_ = false;
};

// A connection whose statements wait for their turn.
class Stepped : public dta::BarrierSql {
 public:
  Stepped(dta::BarrierSql& sql, Stage& stage, std::size_t body) : sql_(sql), stage_(stage), body_(body) {}
  void begin() override { sql_.begin(); }
  void commit() override {
    stage_.stop_before_statement(body_);
    sql_.commit();
  }
  void rollback() noexcept override {
    stage_.stop_before_statement(body_);
    sql_.rollback();
  }
  std::int64_t run(const char* sql, std::initializer_list<std::string_view> values) override {
    stage_.stop_before_statement(body_);
    return sql_.run(sql, values);
  }
  std::optional<Row> row(const char* sql, std::initializer_list<std::string_view> values) override {
    stage_.stop_before_statement(body_);
    return sql_.row(sql, values);
  }

 private:
  dta::BarrierSql& sql_;
  Stage& stage_;
  std::size_t body_;
};

// Returns when nobody moves any more: two looks at everybody have found the same ones waiting and all others standing.
// One look is not enough, because who was seen waiting may have been let in by somebody who was seen standing later.
inline void settle(Stage& stage, std::size_t bodies, const std::function<bool(std::size_t)>& waits) {
  std::vector<std::size_t> before;
  int looks = 0;
  while (looks < 2) {
    std::vector<std::size_t> waiting;
    bool still = true;
    for (std::size_t i = 0; i < bodies; ++i) {
      if (!stage.running(i)) continue;
      if (waits(i)) {
        waiting.push_back(i);
      } else {
        still = false;
      }
    }
    looks = !still ? 0 : waiting == before ? looks + 1 : 1;
    before = std::move(waiting);
    if (!still) std::this_thread::yield();
  }
}

// Gives false when the bodies wait for each other. `waits` asks the database whether a body's connection waits for
// another one; that stays true until somebody else goes on.
inline bool interleave(const std::vector<dta::BarrierSql*>& connections,
                       const std::vector<std::function<void(dta::BarrierSql&)>>& bodies,
                       const std::function<bool(std::size_t)>& waits, const Choose& choose) {
  Stage stage(bodies.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    threads.emplace_back([&, i] {
      Stepped sql(*connections[i], stage, i);
      bodies[i](sql);
      stage.end(i);
    });
  }
  bool live = true;
  while (true) {
    settle(stage, bodies.size(), waits);
    const std::vector<std::size_t> ready = stage.stopped();
    if (ready.empty()) {
      live = stage.all_ended();
      if (!live) stage.let_all_go();
      break;
    }
    stage.let_go(ready[choose(ready.size())]);
  }
  for (std::thread& thread : threads) thread.join();
  return live;
}

}  // namespace barrier_test
