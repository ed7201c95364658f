// What templates and conditions see: {input, steps, signals, item, index, tasks}, put together as one JSON object each
// time somebody asks. What does not exist is not in it.
#include "schema/json.h"
#include "tests/model/model.h"

namespace dta::model {

using namespace schema;

namespace {

class Object {
 public:
  void add(const std::string& name, const std::string& json) {
    if (json.empty()) return;
    if (text_.size() > 1) text_ += ',';
    text_ += quote(name) + ':' + json;
  }
  std::string close() const { return text_ + '}'; }

 private:
  std::string text_ = "{";
};

}  // namespace

std::string Transaction::context(const Task* inside) const {
  Object all, steps, signals;
  all.add("input", input_);
  for (std::size_t s = 0; s < steps_.size(); ++s) steps.add(rules(s).name, context_of_step(s));
  all.add("steps", steps.close());
  for (const auto& [name, payload] : taken_) signals.add(name, payload);
  all.add("signals", signals.close());
  if (inside == nullptr) return all.close();
  Object tasks;
  const Step& own = steps_[inside->ref.step];
  for (const Task& t : own.tasks) {
    if (t.ref.instance != inside->ref.instance || t.outcome() != Outcome::done) continue;
    Object task;
    task.add("output", t.output);
    tasks.add(t.rules->name, task.close());
  }
  all.add("tasks", tasks.close());
  if (!own.elements.empty()) {
    all.add("item", own.elements[inside->ref.instance]);
    all.add("index", std::to_string(inside->ref.instance));
  }
  return all.close();
}

// An output exists when the step's join counted its task. Under a for_each it is an array with a place for each element.
std::string Transaction::context_of_step(std::size_t index) const {
  const Step& s = steps_[index];
  Object all;
  if (s.skipped) all.add("outcome", "\"skipped\"");
  if (!s.met && !s.failed) return all.close();
  all.add("outcome", s.met ? "\"met\"" : "\"failed\"");
  if (s.failed && s.failure) {
    Object error;
    error.add("code", quote(s.failure->code));
    error.add("message", quote(s.failure->message));
    error.add("details", s.failure->details);
    all.add("error", error.close());
  }
  const auto& tasks = rules(index).tasks;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    Object task;
    if (rules(index).for_each.empty()) {
      if (s.tasks[i].counted) task.add("output", s.tasks[i].output);
    } else {
      std::string list;
      for (std::size_t n = 0; n < s.instances; ++n) {
        const Task& t = s.tasks[n * tasks.size() + i];
        list += (n == 0 ? "" : ",") + (t.counted && !t.output.empty() ? t.output : std::string("null"));
      }
      task.add("output", "[" + list + "]");
    }
    all.add(tasks[i].name, task.close());
  }
  return all.close();
}

}  // namespace dta::model
