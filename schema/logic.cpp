// JsonLogic: rules read into a tree when a definition is published, and evaluated over JSON text. The tree points into
// the rule's own text. A tree is no deeper than limits::kJsonDepthMax, so recursion is bounded.
#include "schema/logic.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <unordered_set>

#include "schema/assert.h"
#include "schema/definition_reader.h"
#include "schema/logic_value.h"

namespace dta::schema {
namespace {

using logic::Order;
using logic::Value;
using logic::Work;

// clang-format off
enum class Op : std::uint8_t {
  literal, list,  // what is no operation: itself, or an array with operations in it
  var, missing, missing_some, choose, equal, same, unequal, differ, negate, truth, either, both,
  greater, greater_equal, less, less_equal, max, min, add, subtract, multiply, divide, modulo,
  map, filter, reduce, all, none, some, merge, in, cat, substr,
};
constexpr std::size_t kAny = std::numeric_limits<std::size_t>::max();

struct Operator {
  std::string_view name;
  Op op;
  std::size_t least, most;  // values
};
constexpr std::array kOperators{
    Operator{"var", Op::var, 0, 2},           Operator{"missing", Op::missing, 0, kAny},
    Operator{"missing_some", Op::missing_some, 2, 2},
    Operator{"if", Op::choose, 0, kAny},      Operator{"?:", Op::choose, 0, kAny},
    Operator{"==", Op::equal, 2, 2},          Operator{"===", Op::same, 2, 2},
    Operator{"!=", Op::unequal, 2, 2},        Operator{"!==", Op::differ, 2, 2},
    Operator{"!", Op::negate, 1, 1},          Operator{"!!", Op::truth, 1, 1},
    Operator{"or", Op::either, 1, kAny},      Operator{"and", Op::both, 1, kAny},
    Operator{">", Op::greater, 2, 2},         Operator{">=", Op::greater_equal, 2, 2},
    Operator{"<", Op::less, 2, 3},            Operator{"<=", Op::less_equal, 2, 3},
    Operator{"max", Op::max, 1, kAny},        Operator{"min", Op::min, 1, kAny},
    Operator{"+", Op::add, 1, kAny},          Operator{"-", Op::subtract, 1, 2},
    Operator{"*", Op::multiply, 1, kAny},     Operator{"/", Op::divide, 2, 2},
    Operator{"%", Op::modulo, 2, 2},          Operator{"map", Op::map, 2, 2},
    Operator{"filter", Op::filter, 2, 2},     Operator{"reduce", Op::reduce, 2, 3},
    Operator{"all", Op::all, 2, 2},           Operator{"none", Op::none, 2, 2},
    Operator{"some", Op::some, 2, 2},         Operator{"merge", Op::merge, 0, kAny},
    Operator{"in", Op::in, 2, 2},             Operator{"cat", Op::cat, 0, kAny},
    Operator{"substr", Op::substr, 2, 3},
};
// clang-format on

struct Node {
  Op op = Op::literal;
  JsonValue raw;  // of a literal
  std::vector<Node> children;
};

// Their second value is evaluated for each element, with the element as data.
bool is_loop(Op op) {
  return op >= Op::map && op <= Op::some;
}

class Reader {
 public:
  Reader(FaultList& faults, Logic::Variables& variables) : faults_(faults), variables_(variables) {}

  // `in_context`: data is the rule's data, not an element.
  Node read(JsonValue value, const std::string& at, bool in_context) {
    if (value.kind() == JsonKind::array) {
      Node node{Op::list, {}, {}};
      const auto all = elements(value);
      for (std::size_t i = 0; i < all.size(); ++i)
        node.children.push_back(read(all[i], child_pointer(at, i), in_context));
      const auto is_literal = [](const Node& n) { return n.op == Op::literal; };
      return std::ranges::all_of(node.children, is_literal) ? Node{Op::literal, value, {}} : node;
    }
    if (value.kind() != JsonKind::object) return {Op::literal, value, {}};
    const auto all = members(value);
    // As in JsonLogic, an object with one member is an operation, and any other is itself.
    if (all.size() != 1) return {Op::literal, value, {}};
    return operation(all[0], child_pointer(at, all[0].name), in_context);
  }

 private:
  Node operation(const JsonMember& member, const std::string& at, bool in_context) {
    const auto* const known = std::ranges::find(kOperators, std::string_view(member.name), &Operator::name);
    if (known == kOperators.end()) {
      unknown(member.name, at);
      return {};
    }
    Node node{known->op, {}, {}};
    const bool listed = member.value.kind() == JsonKind::array;
    const auto values = listed ? elements(member.value) : std::vector<JsonValue>{member.value};
    for (std::size_t i = 0; i < values.size(); ++i)
      node.children.push_back(
          read(values[i], listed ? child_pointer(at, i) : at, in_context && !(is_loop(node.op) && i == 1)));
    if (values.size() < known->least || values.size() > known->most)
      faults_.add(at, wrong_count(*known, values.size()));
    if (in_context) note(node);
    return node;
  }

  void unknown(const std::string& name, const std::string& at) {
    if (name == "log") return faults_.add(at, "the operator `log` is not allowed in a definition; remove it");
    std::vector<std::string_view> names;
    for (const Operator& o : kOperators)
      if (o.name.size() > 2) names.push_back(o.name);
    const std::string_view near = closest(name, names);
    faults_.add(at, fmt::format("there is no operator {}{}", shown(name),
                                near.empty() ? std::string() : fmt::format("; did you mean {}?", shown(near))));
  }

  static std::string wrong_count(const Operator& o, std::size_t count) {
    const std::string wanted = o.most == kAny      ? fmt::format("at least {}", o.least)
                               : o.least == o.most ? fmt::format("{}", o.least)
                                                   : fmt::format("{} to {}", o.least, o.most);
    return fmt::format("the operator {} takes {} value{}, not {}", shown(o.name), wanted,
                       o.most == 1 || (o.most == kAny && o.least == 1) ? "" : "s", count);
  }

  void note(const Node& node) {
    if (node.op == Op::var) {
      if (node.children.empty()) {
        variables_.everything = true;
      } else {
        note_path(node.children[0]);
      }
    } else if (node.op == Op::missing) {
      for (const Node& child : node.children) note_paths(child);
    } else if (node.op == Op::missing_some && node.children.size() == 2) {
      note_paths(node.children[1]);
    }
  }

  void note_paths(const Node& node) {
    if (node.op == Op::literal && node.raw.kind() == JsonKind::array) {
      for (const JsonValue element : elements(node.raw)) note_path({Op::literal, element, {}});
    } else if (node.op == Op::list) {
      for (const Node& child : node.children) note_path(child);
    } else {
      note_path(node);
    }
  }

  void note_path(const Node& node) {
    const auto text = node.op == Op::literal && node.raw.kind() == JsonKind::string ? node.raw.string()
                      : node.op == Op::literal && node.raw.kind() == JsonKind::number
                          ? std::optional<std::string>(node.raw.raw)
                          : std::nullopt;
    if (!text || text->empty()) {
      variables_.everything = true;
    } else if (seen_.insert(*text).second) {
      variables_.paths.push_back(*text);
    }
  }

  FaultList& faults_;
  Logic::Variables& variables_;
  std::unordered_set<std::string> seen_;
};

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
  void read(FaultList& faults) { root_ = Reader(faults, variables_).read(JsonValue{text_}, "", true); }
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
