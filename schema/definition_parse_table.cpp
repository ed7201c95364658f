// The table form: states and the events that lead from one to the next. States are not listed, they are what `initial`,
// the transitions and `ends` name, so the check looks at how they hang together: a state that nothing leaves and that
// is no end is taken for a wrong name, one that nothing leads to as well; a cycle is refused unless the table says
// `cycles`.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "schema/definition_parse.h"
#include "schema/limits.h"

namespace dta::schema {
namespace {

using Names = std::string_view;
constexpr std::array<Names, 3> kTransitionFields{"from", "on", "to"};
constexpr Fields kTransition{"a transition", kTransitionFields, {}};

class TableParser {
 public:
  TableParser(ObjectReader& root, Definition& definition, FaultList& faults)
      : root_(root), definition_(definition), faults_(faults) {}

  void run() {
    root_.boolean("cycles", definition_.cycles);
    if (const auto initial = root_.require("initial"))
      if (const auto name = label(*initial, root_.at("initial"), faults_))
        definition_.initial = state(*name, root_.at("initial"));
    if (root_.require("transitions"))
      if (const auto rows = root_.array("transitions", limits::kTransitionsMax))
        for (std::size_t i = 0; i < rows->size(); ++i)
          transition((*rows)[i], child_pointer(root_.at("transitions"), i));
    if (const auto ends = root_.get("ends")) parse_ends(*ends);
    if (definition_.states.size() > limits::kStatesMax)
      return root_.fault("transitions", fmt::format("the table names {} states; at most {} are allowed",
                                                    definition_.states.size(), limits::kStatesMax));
    // How the states hang together is only worth saying when they could all be read.
    if (!faults_.empty()) return;
    check_ways();
    if (faults_.empty() && !definition_.cycles) check_one_direction();
  }

 private:
  // The index of a state, which is new when it is named for the first time: there, at `pointer`.
  std::uint16_t state(const std::string& name, std::string pointer) {
    const auto [it, is_new] = index_.emplace(name, static_cast<std::uint16_t>(definition_.states.size()));
    // Past the limit nothing is added (the number would not fit), but the count still tells.
    if (is_new && definition_.states.size() <= limits::kStatesMax) {
      definition_.states.push_back({name, StateEnd::none});
      named_at_.push_back(std::move(pointer));
    }
    return it->second;
  }

  void transition(JsonValue value, const std::string& pointer) {
    ObjectReader reader(value, pointer, kTransition, faults_);
    if (!reader.is_object()) return;
    const auto text = [&](Names field) -> std::optional<std::string> {
      const auto member = reader.require(field);
      return member ? label(*member, reader.at(field), faults_) : std::nullopt;
    };
    const auto from = text("from"), on = text("on"), to = text("to");
    if (!from || !on || !to) return;
    Transition row;
    row.from = state(*from, reader.at("from"));
    row.on = *on;
    row.to = state(*to, reader.at("to"));
    if (!rows_.emplace(row.from, row.on).second)
      faults_.add(pointer, fmt::format("state {} already has a transition on {}; keep one of the two", shown(*from),
                                       shown(*on)));
    definition_.transitions.push_back(std::move(row));
  }

  void parse_ends(JsonValue value) {
    if (value.kind() != JsonKind::object)
      return root_.fault("ends", "`ends` is an object such as {\"Delivered\": \"completed\"}");
    std::unordered_set<std::string> seen;
    for (const JsonMember& member : members(value)) {
      const std::string pointer = child_pointer(root_.at("ends"), member.name);
      const auto end = member.value.string();
      if (auto why = label_fault(member.name)) {
        faults_.add(pointer, std::move(*why));
      } else if (!seen.insert(member.name).second) {
        faults_.add(pointer, fmt::format("{} stands here twice; keep one", shown(member.name)));
      } else if (end != "completed" && end != "terminated") {
        faults_.add(pointer, "an end is \"completed\" or \"terminated\"");
      } else if (const auto it = index_.find(member.name); it == index_.end()) {
        faults_.add(pointer, fmt::format("there is no state {}; no transition leads to it{}", shown(member.name),
                                         hint(member.name)));
      } else if (it->second < definition_.states.size()) {
        definition_.states[it->second].end = end == "completed" ? StateEnd::completed : StateEnd::terminated;
      }
    }
  }

  std::string hint(std::string_view name) const {
    std::vector<std::string_view> names;
    for (const State& s : definition_.states) names.push_back(s.name);
    const std::string_view near = closest(name, names);
    return near.empty() ? std::string() : fmt::format("; did you mean {}?", shown(near));
  }

  // As hint, but for a name that is itself in the table.
  std::string hint_beside(std::uint16_t own) const {
    std::vector<std::string_view> names;
    for (std::size_t i = 0; i < definition_.states.size(); ++i)
      if (i != own) names.push_back(definition_.states[i].name);
    const std::string_view near = closest(definition_.states[own].name, names);
    return near.empty() ? std::string() : fmt::format(" (did you mean {}?)", shown(near));
  }

  void check_ways() {
    const std::size_t count = definition_.states.size();
    std::vector<bool> left(count), reached(count);
    for (std::size_t i = 0; i < definition_.transitions.size(); ++i) {
      const Transition& row = definition_.transitions[i];
      left[row.from] = true;
      if (row.from != row.to) reached[row.to] = true;
      if (definition_.states[row.from].end != StateEnd::none)
        faults_.add(
            child_pointer(child_pointer(root_.at("transitions"), i), "from"),
            fmt::format("state {} is an end, nothing can leave it; take it out of `ends` or drop the transition",
                        shown(definition_.states[row.from].name)));
    }
    const auto is_end = [](const State& s) { return s.end != StateEnd::none; };
    const bool open_ended = std::ranges::none_of(definition_.states, is_end);
    for (std::uint16_t i = 0; i < count; ++i) {
      const State& s = definition_.states[i];
      const bool initial = i == definition_.initial;
      if (open_ended && !(initial && !definition_.transitions.empty())) continue;
      if (!left[i] && !is_end(s)) {
        faults_.add(named_at_[i], fmt::format("no transition leaves state {}; name it in `ends`, or correct the name{}",
                                              shown(s.name), hint_beside(i)));
      } else if (!reached[i] && !initial) {
        faults_.add(
            named_at_[i],
            fmt::format("no transition leads to state {}, and it is not `initial`; add one, or correct the name{}",
                        shown(s.name), hint_beside(i)));
      }
    }
  }

  // Depth first from every state; a transition back to a state on the current path closes a cycle. Each is told once,
  // at the transition that closes it. An explicit stack: a chain may be as long as there are states.
  void check_one_direction() {
    enum class Mark : std::uint8_t { fresh, on_path, finished };
    std::vector<std::vector<std::uint32_t>> leaving(definition_.states.size());
    for (std::uint32_t i = 0; i < definition_.transitions.size(); ++i)
      leaving[definition_.transitions[i].from].push_back(i);
    std::vector<Mark> marks(definition_.states.size());
    struct Frame {
      std::uint16_t state;
      std::size_t next = 0;
    };
    const auto explore = [&](std::uint16_t start) {
      std::vector<Frame> path{{start}};
      marks[start] = Mark::on_path;
      while (!path.empty()) {
        Frame& top = path.back();
        if (top.next == leaving[top.state].size()) {
          marks[top.state] = Mark::finished;
          path.pop_back();
          continue;
        }
        const std::uint32_t row = leaving[top.state][top.next++];
        const std::uint16_t to = definition_.transitions[row].to;
        if (marks[to] == Mark::on_path) {
          cycle(row);
        } else if (marks[to] == Mark::fresh) {
          marks[to] = Mark::on_path;
          path.push_back({to});
        }
      }
    };
    explore(definition_.initial);
    for (std::uint16_t i = 0; i < marks.size(); ++i)
      if (marks[i] == Mark::fresh) explore(i);
  }

  void cycle(std::uint32_t index) {
    const Transition& row = definition_.transitions[index];
    faults_.add(
        child_pointer(root_.at("transitions"), index),
        fmt::format("the transition from {} on {} leads back to {}, which may have been left before; break the "
                    "cycle, or say \"cycles\": true",
                    shown(definition_.states[row.from].name), shown(row.on), shown(definition_.states[row.to].name)));
  }

  ObjectReader& root_;
  Definition& definition_;
  FaultList& faults_;
  std::unordered_map<std::string, std::uint16_t> index_;
  std::vector<std::string> named_at_;                     // where each state is named first
  std::set<std::pair<std::uint16_t, std::string>> rows_;  // (from, on) seen
};

}  // namespace

void parse_table(ObjectReader& root, Definition& definition, FaultList& faults) {
  TableParser(root, definition, faults).run();
}

}  // namespace dta::schema
