// JsonLogic rules evaluated over JSON text. A rule's tree (logic_parse.cpp) is no deeper than limits::kJsonDepthMax, so
// recursion is bounded; what an evaluation may cost is bounded by Work.
#include "schema/logic.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "schema/assert.h"
#include "schema/logic_tree.h"
#include "schema/logic_value.h"

namespace dta::schema {
namespace {

using logic::Node;
using logic::Op;
using logic::Order;
using logic::Value;
using logic::Work;

class Evaluator {
 public:
  Value run(const Node& node, const Value& data) {
    work_.spend(1);
    if (work_.used_up()) return {};
    const auto& values = node.children;
    switch (node.op) {
      case Op::literal:
        work_.spend_bytes(node.raw.raw.size());
        return Value::from(node.raw);
      case Op::list:
        return Value::of(run_all(node, data), work_);
      case Op::choose:
        return choose(node, data);
      case Op::either:
      case Op::both:
        for (std::size_t i = 0; i + 1 < values.size(); ++i)
          if (Value v = run(values[i], data); logic::truthy(v) == (node.op == Op::either)) return v;
        return run(values.back(), data);
      case Op::map:
      case Op::filter:
      case Op::all:
      case Op::none:
      case Op::some:
        return loop(node, data);
      case Op::reduce:
        return reduce(node, data);
      default:
        return apply(node.op, run_all(node, data), data);
    }
  }

  Work& work() { return work_; }

 private:
  std::vector<Value> run_all(const Node& node, const Value& data) {
    std::vector<Value> out;
    out.reserve(node.children.size());
    for (const Node& child : node.children) out.push_back(run(child, data));
    return out;
  }

  Value choose(const Node& node, const Value& data) {
    const auto& values = node.children;
    std::size_t i = 0;
    for (; i + 1 < values.size(); i += 2)
      if (logic::truthy(run(values[i], data))) return run(values[i + 1], data);
    return i < values.size() ? run(values[i], data) : Value::null();
  }

  Value loop(const Node& node, const Value& data) {
    const std::vector<Value> all = logic::items(run(node.children[0], data), work_);
    std::vector<Value> out;
    std::size_t holding = 0;
    for (const Value& element : all) {
      if (work_.used_up()) return {};
      Value v = run(node.children[1], element);
      const bool holds = logic::truthy(v);
      holding += holds ? 1 : 0;
      if (node.op == Op::map) out.push_back(std::move(v));
      if (node.op == Op::filter && holds) out.push_back(element);
      if (node.op == Op::all && !holds) return Value::of(false);
      if (node.op == Op::none && holds) return Value::of(false);
      if (node.op == Op::some && holds) return Value::of(true);
    }
    if (node.op == Op::map || node.op == Op::filter) return Value::of(std::move(out), work_);
    return Value::of(node.op == Op::none || (node.op == Op::all && holding > 0));
  }

  Value reduce(const Node& node, const Value& data) {
    const std::vector<Value> all = logic::items(run(node.children[0], data), work_);
    Value accumulator = node.children.size() > 2 ? run(node.children[2], data) : Value::null();
    for (const Value& element : all) {
      if (work_.used_up()) return {};
      accumulator = run(node.children[1], Value::reducing(element, std::move(accumulator), work_));
    }
    return accumulator;
  }

  Value apply(Op op, const std::vector<Value>& v, const Value& data) {
    switch (op) {
      case Op::var:
        return var(v, data);
      case Op::missing:
        return Value::of(missing(!v.empty() && v[0].kind == Value::Kind::array ? logic::items(v[0], work_) : v, data),
                         work_);
      case Op::missing_some:
        return missing_some(v, data);
      case Op::equal:
      case Op::unequal:
        return Value::of(logic::loosely_equal(v[0], v[1], work_) == (op == Op::equal));
      case Op::same:
      case Op::differ:
        return Value::of(logic::strictly_equal(v[0], v[1]) == (op == Op::same));
      case Op::negate:
      case Op::truth:
        return Value::of(logic::truthy(v[0]) == (op == Op::truth));
      case Op::greater:
      case Op::greater_equal:
        return Value::of(in_order(v[1], v[0], op == Op::greater_equal));
      case Op::less:
      case Op::less_equal:
        return Value::of(in_order(v[0], v[1], op == Op::less_equal) &&
                         (v.size() < 3 || in_order(v[1], v[2], op == Op::less_equal)));
      case Op::merge:
        return merge(v);
      case Op::in:
        return Value::of(contains(v[1], v[0]));
      case Op::cat:
        return cat(v);
      case Op::substr:
        return substr(v);
      default:
        return Value::of(arithmetic(op, v));
    }
  }

  Value var(const std::vector<Value>& v, const Value& data) {
    if (v.empty() || v[0].kind == Value::Kind::null || (v[0].kind == Value::Kind::string && v[0].text.empty()))
      return data;
    const std::string path = logic::to_text(v[0], work_);
    Value at = data;
    for (std::size_t from = 0; from <= path.size();) {
      const std::size_t dot = std::min(path.find('.', from), path.size());
      Value next;
      if (!logic::child(at, std::string_view(path).substr(from, dot - from), work_, next))
        return v.size() > 1 ? v[1] : Value::null();
      at = std::move(next);
      from = dot + 1;
    }
    work_.spend_bytes(at.text.size());
    return at;
  }

  std::vector<Value> missing(const std::vector<Value>& names, const Value& data) {
    std::vector<Value> out;
    for (const Value& name : names) {
      const Value found = var({name}, data);
      if (found.kind == Value::Kind::null || (found.kind == Value::Kind::string && found.text.empty()))
        out.push_back(name);
    }
    return out;
  }

  Value missing_some(const std::vector<Value>& v, const Value& data) {
    const std::vector<Value> names = logic::items(v[1], work_);
    std::vector<Value> absent = missing(names, data);
    if (static_cast<double>(names.size() - absent.size()) >= logic::to_number(v[0], work_)) absent.clear();
    return Value::of(std::move(absent), work_);
  }

  bool in_order(const Value& a, const Value& b, bool or_equal) {
    const Order order = logic::compare(a, b, work_);
    return order == Order::less || (or_equal && order == Order::equal);
  }

  Value merge(const std::vector<Value>& v) {
    std::vector<Value> out;
    for (const Value& part : v) {
      if (part.kind != Value::Kind::array) {
        out.push_back(part);
        continue;
      }
      for (Value& element : logic::items(part, work_)) out.push_back(std::move(element));
    }
    return Value::of(std::move(out), work_);
  }

  bool contains(const Value& where, const Value& what) {
    if (where.kind == Value::Kind::string) {
      const std::string part = logic::to_text(what, work_);
      work_.spend((1 + where.text.size() / 16) * (1 + part.size() / 64));  // the search may compare again and again
      return !work_.used_up() && !where.text.empty() && where.text.find(part) != std::string::npos;
    }
    const auto equal = [&](const Value& element) { return logic::strictly_equal(element, what); };
    return std::ranges::any_of(logic::items(where, work_), equal);
  }

  Value cat(const std::vector<Value>& v) {
    std::string out;
    for (const Value& part : v)
      if (part.kind != Value::Kind::null) out += logic::to_text(part, work_);
    return Value::of(std::move(out));
  }

  Value substr(const std::vector<Value>& v) {
    const std::string text = logic::to_text(v[0], work_);
    const double length = v.size() > 2 ? logic::to_number(v[2], work_) : 0;
    return Value::of(logic::substring(text, logic::to_number(v[1], work_), v.size() > 2 ? &length : nullptr));
  }

  double arithmetic(Op op, const std::vector<Value>& v) {
    const auto number = [&](std::size_t i) { return logic::to_number(v[i], work_); };
    double out = op == Op::multiply ? 1 : 0;
    switch (op) {
      case Op::add:
        for (const Value& x : v) out += logic::parse_float(x, work_);
        return out;
      case Op::multiply:
        for (const Value& x : v) out *= logic::parse_float(x, work_);
        return out;
      case Op::subtract:
        return v.size() == 1 ? -number(0) : number(0) - number(1);
      case Op::divide:
        return number(0) / number(1);
      case Op::modulo:
        return std::fmod(number(0), number(1));
      case Op::max:
      case Op::min:
        out = number(0);
        for (std::size_t i = 1; i < v.size(); ++i) {
          const double x = number(i);
          if (std::isnan(out) || std::isnan(x)) {
            out = std::numeric_limits<double>::quiet_NaN();
          } else {
            out = op == Op::max ? std::max(out, x) : std::min(out, x);
          }
        }
        return out;
      default:
        DTA_ASSERT(false);
    }
    return out;
  }

  Work work_;
};

}  // namespace

class Logic::Rule {
 public:
  explicit Rule(std::string text) : text_(std::move(text)) {}

  const std::string& text() const { return text_; }
  const Variables& variables() const { return variables_; }
  void read(FaultList& faults) { root_ = logic::read_rule(JsonValue{text_}, faults, variables_); }
  Value run(Evaluator& evaluator, std::string_view data) const {
    const auto first = data.find_first_not_of(" \t\n\r");
    return evaluator.run(root_,
                         Value::from(JsonValue{data.substr(first, data.find_last_not_of(" \t\n\r") + 1 - first)}));
  }

 private:
  std::string text_;  // the nodes point into it
  Variables variables_;
  Node root_;
};

const std::string& Logic::text() const {
  return rule_->text();
}

const Logic::Variables& Logic::variables() const {
  return rule_->variables();
}

std::string Logic::apply(std::string_view data) const {
  Evaluator evaluator;
  std::string out;
  logic::append_json(out, rule_->run(evaluator, data), evaluator.work());
  return evaluator.work().used_up() ? "null" : out;
}

bool Logic::holds(std::string_view data) const {
  Evaluator evaluator;
  const bool value = logic::truthy(rule_->run(evaluator, data));
  return value && !evaluator.work().used_up();
}

Result<Logic> parse_logic(std::string_view json) {
  const auto root = check_json(json);
  if (!root) return tl::unexpected(root.error());
  auto rule = std::make_shared<Logic::Rule>(std::string(root->raw));
  FaultList faults;
  rule->read(faults);
  if (faults.empty()) return Logic(std::move(rule));
  Error error{ErrorCode::invalid_argument, {}, faults.take()};
  error.message = error.faults.front().message;
  return tl::unexpected(std::move(error));
}

}  // namespace dta::schema
