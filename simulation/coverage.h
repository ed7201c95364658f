// What was met on the way: kinds of events, phases they were met in, ends, incidents and what people said of them,
// routes; and, for one definition, what became of each of its tasks, steps, choices and transitions. Values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "schema/definition.h"
#include "simulation/past.h"

namespace dta::simulation {

struct Coverage {
  using Counts = std::map<std::string, std::uint64_t>;
  Counts events;       // by kind
  Counts transitions;  // by phase and kind
  Counts ends;         // transactions, by the phase they stand in at the end
  Counts incidents;    // by kind and resolution; "raised" counts all of the kind
  Counts routes;       // "met" or "failed", and where it went
  // Of definitions, as "WORD PLACE": "entered S", "skipped S", "met S", "failed S", "done S/T", "unknown S/T",
  // "undone S/T", "choice S/next/0", "moved FROM ON TO" ...
  Counts places;

  void add(const Events& events, const schema::Definition& definition, bool with_places);
  void add(const Coverage& other);
  // Every count as a line "LIST NAME COUNT", and such a line read back; false: it is none.
  std::vector<std::string> lines() const;
  bool read(const std::string& line);
};

}  // namespace dta::simulation
