// JsonLogic rules read into a tree: which operators there are, how many values each takes, and what a rule reads of its
// data. Pure; any thread.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <unordered_set>

#include "schema/logic_tree.h"

namespace dta::schema::logic {
namespace {

// clang-format off
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

}  // namespace

Node read_rule(JsonValue value, FaultList& faults, Logic::Variables& variables) {
  return Reader(faults, variables).read(value, "", true);
}

}  // namespace dta::schema::logic
