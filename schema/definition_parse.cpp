// parse_definition: the whole check of a published text. What both forms share stands here; each form has its own file.
#include <fmt/format.h>

#include <array>
#include <limits>

#include "schema/definition_parse.h"
#include "schema/limits.h"

namespace dta::schema {
namespace {

using Names = std::string_view;
constexpr std::array<Names, 5> kStepsFields{"name", "version", "expires_after", "steps", "output"};
constexpr std::array<Names, 7> kTableFields{"name",        "version", "expires_after", "initial",
                                            "transitions", "ends",    "cycles"};
constexpr std::array<Names, 9> kAllFields{"name",    "version",     "expires_after", "steps", "output",
                                          "initial", "transitions", "ends",          "cycles"};
constexpr std::array<Names, 4> kTableOnly{"initial", "transitions", "ends", "cycles"};

constexpr Fields kStepsForm{"a definition in steps form", kStepsFields, {}};
constexpr Fields kTableForm{"a definition in table form", kTableFields, {}};
constexpr Fields kNoForm{"a definition", kAllFields, {}};

// The form is told by the fields that only one of them has.
const Fields& form_of(JsonValue root) {
  if (root.kind() != JsonKind::object) return kNoForm;
  if (find(root, "/steps")) return kStepsForm;
  for (const Names field : kTableOnly)
    if (find(root, fmt::format("/{}", field))) return kTableForm;
  return kNoForm;
}

Error as_error(std::vector<Fault> faults) {
  const Fault& first = faults.front();
  std::string message = first.pointer.empty() ? first.message : fmt::format("{}: {}", first.pointer, first.message);
  if (faults.size() > 1) message += fmt::format(" (and {} more)", faults.size() - 1);
  return Error{ErrorCode::invalid_definition, std::move(message), std::move(faults)};
}

}  // namespace

bool Child::operator==(const Child& other) const {
  if (definition != other.definition || version != other.version || !in_place != !other.in_place) return false;
  return !in_place || (in_place->steps == other.in_place->steps && in_place->output == other.in_place->output);
}

DefinitionPtr find_in_place(const DefinitionPtr& definition, std::string_view name) {
  if (definition->name == name) return definition;
  if (!name.starts_with(definition->name + "/")) return nullptr;
  for (const Step& step : definition->steps)
    for (const Task& task : step.tasks)
      if (task.child && task.child->in_place)
        if (DefinitionPtr found = find_in_place(task.child->in_place, name)) return found;
  return nullptr;
}

Status check_ancestry(const Definition& definition,
                      const std::function<const Definition*(const std::string&, std::uint32_t)>& published) {
  std::unordered_set<std::string> seen;
  std::vector<const Definition*> open{&definition};
  while (!open.empty()) {
    const Definition& next = *open.back();
    open.pop_back();
    for (const Step& step : next.steps)
      for (const Task& task : step.tasks) {
        if (!task.child) continue;
        if (task.child->in_place) {
          open.push_back(task.child->in_place.get());
          continue;
        }
        if (task.child->definition == definition.name)
          return refuse(ErrorCode::invalid_definition,
                        fmt::format("the definition would be its own ancestor: {} starts it as {}", shown(next.name),
                                    shown(step.name + "/" + task.name)));
        const Definition* found = published(task.child->definition, task.child->version.value_or(0));
        if (found != nullptr && seen.insert(task.child->definition).second) open.push_back(found);
      }
  }
  return {};
}

Result<DefinitionPtr> parse_definition(std::string_view text) {
  if (text.size() > limits::kDefinitionBytesMax)
    return refuse(ErrorCode::too_large, fmt::format("the definition has {} bytes; at most {} are allowed", text.size(),
                                                    limits::kDefinitionBytesMax));
  const auto root = check_json(text);
  if (!root) return tl::unexpected(root.error());

  FaultList faults;
  auto definition = std::make_shared<Definition>();
  const Fields& form = form_of(*root);
  ObjectReader reader(*root, "", form, faults);
  if (reader.is_object()) {
    definition->name = reader.name("name");
    if (reader.require("version"))
      reader.integer("version", definition->version, 1, std::numeric_limits<std::uint32_t>::max());
    reader.duration("expires_after", definition->expires_after);
    if (&form == &kStepsForm) {
      parse_steps(reader, *definition, faults);
    } else if (&form == &kTableForm) {
      definition->form = Form::table;
      parse_table(reader, *definition, faults);
    } else {
      faults.add("", "the definition says nothing to do; add `steps`, or `initial`, `transitions` and `ends`");
    }
  }
  if (!faults.empty()) return tl::unexpected(as_error(faults.take()));
  definition->text = std::string(text);
  definition->digest = sha256(text);
  return DefinitionPtr(std::move(definition));
}

}  // namespace dta::schema
