// Looking up of definitions by name and version (entry.h). Partition thread.
#include "server/entry.h"

namespace dta::server {

const Published* DefinitionShelf::find(const std::string& name, std::uint32_t version) const {
  auto it = by_name_.find(name);
  if (it == by_name_.end() && (it = in_place_.find(name)) == in_place_.end()) return nullptr;
  if (version == 0) return &it->second.rbegin()->second;
  const auto found = it->second.find(version);
  return found == it->second.end() ? nullptr : &found->second;
}

Result<const Published*> DefinitionShelf::startable(const std::string& name, std::uint32_t version) const {
  const auto it = by_name_.find(name);
  const std::string named = version == 0 ? "'" + name + "'" : "'" + name + "' version " + std::to_string(version);
  if (it == by_name_.end() || (version != 0 && !it->second.contains(version)))
    return schema::refuse(schema::ErrorCode::definition_not_found, "there is no definition " + named);
  const DefinitionSettings* said = settings(name);
  if (version != 0) {
    if (said == nullptr || !said->deprecates(version)) return &it->second.at(version);
    return schema::refuse(schema::ErrorCode::deprecated, "definition " + named + " is deprecated");
  }
  for (auto newest = it->second.rbegin(); newest != it->second.rend(); ++newest)
    if (said == nullptr || !said->deprecates(newest->first)) return &newest->second;
  return schema::refuse(schema::ErrorCode::deprecated, "every version of definition " + named + " is deprecated");
}

const DefinitionSettings* DefinitionShelf::settings(const std::string& name) const {
  if (settings_.empty()) return nullptr;
  const auto it = settings_.find(name);
  return it == settings_.end() ? nullptr : &it->second;
}

bool DefinitionShelf::is_paused(const std::string& name) const {
  const DefinitionSettings* said = settings(name);
  return said != nullptr && said->said.paused;
}

void DefinitionShelf::apply(schema::DefinitionChanged event, Time at) {
  DefinitionSettings& settings = settings_[event.name];
  settings.apply(std::move(event), at);
}

void DefinitionShelf::put(engine::MachinePtr machine, Time published_at) {
  const schema::Definition& definition = machine->definition();
  by_name_[definition.name].insert_or_assign(definition.version, Published{machine, published_at});
  put_in_place(definition, published_at);
}

void DefinitionShelf::put_in_place(const schema::Definition& definition, Time published_at) {
  for (const schema::Step& step : definition.steps)
    for (const schema::Task& task : step.tasks) {
      if (!task.child || !task.child->in_place) continue;
      const schema::Definition& child = *task.child->in_place;
      auto machine = std::make_shared<const engine::Machine>(task.child->in_place);
      in_place_[child.name].insert_or_assign(child.version, Published{std::move(machine), published_at});
      put_in_place(child, published_at);
    }
}

}  // namespace dta::server
