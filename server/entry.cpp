// Looking up of definitions by name and version (entry.h). Partition thread.
#include "server/entry.h"

namespace dta::server {

const Published* DefinitionShelf::find(const std::string& name, std::uint32_t version) const {
  const auto it = by_name_.find(name);
  if (it == by_name_.end()) return nullptr;
  if (version == 0) return &it->second.rbegin()->second;
  const auto found = it->second.find(version);
  return found == it->second.end() ? nullptr : &found->second;
}

void DefinitionShelf::put(engine::MachinePtr machine, Time published_at) {
  const schema::Definition& definition = machine->definition();
  by_name_[definition.name].insert_or_assign(definition.version, Published{machine, published_at});
}

}  // namespace dta::server
