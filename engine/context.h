// What templates and conditions see: {input, steps, signals, item, index, tasks}, read from the payloads of one
// decision. An output exists when the step's join counted its task: what is late is undone or left aside, and nothing
// builds on it. Lives inside one decision; reads() tells needs() beforehand which payloads that can be.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "engine/decider.h"
#include "engine/step_view.h"

namespace dta::engine {

class Context : public schema::TemplateContext {
 public:
  explicit Context(const Decider& d) : d_(d) {}

  // Looks at the step as it will stand when its join's event has happened: for `next` and `on_failure`.
  void suppose_met(std::size_t step) { met_ = step; }
  void suppose_failed(const Failure* failure) { failed_ = failure; }
  // The view of one instance's tasks. `element`: of a for_each; empty: none.
  void inside(std::size_t step, std::uint32_t instance, std::string_view element);

  std::optional<std::string_view> find(std::string_view pointer) const override;
  bool holds(const schema::Logic& condition) const;

 private:
  std::optional<std::string_view> below(const PayloadAt& at, std::string_view pointer) const;
  std::optional<std::string_view> of_step(std::string_view pointer) const;
  std::optional<std::string_view> output(std::size_t step, std::size_t task) const;
  std::optional<std::string_view> own_output(std::string_view task) const;
  const KeptSignal* signal(std::string_view name) const;
  std::string_view outcome(std::size_t step) const;  // empty: not entered, or open
  const Failure* failure(std::size_t step) const;
  std::string_view error(const Failure& failure) const;
  std::string_view keep(std::string text) const;
  std::string data(const schema::Logic::Variables& variables) const;
  void append_step(std::string& out, std::size_t step, const std::set<std::string, std::less<>>& names) const;

  const Decider& d_;
  std::optional<std::size_t> met_;
  const Failure* failed_ = nullptr;
  std::optional<std::size_t> step_;
  std::uint32_t instance_ = 0;
  std::string_view element_;
  mutable std::deque<std::string> kept_;  // text that was put together; views into it stay valid
  mutable std::map<std::pair<std::size_t, std::size_t>, std::string_view> arrays_;
};

// What a template, a pointer or a condition may read, by name. An empty name stands for every one.
struct Reads {
  bool input = false;
  std::set<std::pair<std::string, std::string>, std::less<>> outputs;  // of steps and their tasks
  std::set<std::string, std::less<>> signals, own;                     // own: tasks of the same step
  void add(const schema::Template& t);
  void add(const schema::Logic& condition);
  void add_pointer(std::string_view pointer);

 private:
  void add_path(const std::vector<std::string_view>& path);
};

}  // namespace dta::engine
