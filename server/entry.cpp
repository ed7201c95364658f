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
