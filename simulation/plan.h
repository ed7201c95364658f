// One history before it happens: definitions, settings, and a list of moves. A move is a kind and three numbers that
// mean something in any situation ("the third lease that this worker holds", modulo), so that a history from which
// moves were taken out is a history again: that is how a failing one is shrunk. Values; drawn from a seed alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "schema/definition.h"
#include "simulation/chance.h"

namespace dta::simulation {

enum class Move : std::uint8_t {
  start,        // a caller starts a transaction, or starts it again
  cancel,       // a caller cancels
  append,       // a caller appends table events
  look,         // a caller reads the state
  signal,       // somebody sends a signal, awaited or not
  take_part,    // a participant does an external task, or reports it, once more perhaps
  pause,        // a person lets nothing be handed out
  resume,       // or again
  terminate,    // a person stops it at once
  resolve,      // a person decides about an incident, sometimes with a word that does not fit
  poll,         // a worker asks for work
  work,         // a worker does what it holds, or says no
  report,       // a worker sends results
  heartbeat,    // a worker sends a heartbeat
  worker_dies,  // with all it holds
  send_again,   // a call without answer is sent once more
  repeat,       // a call with an answer is sent once more: it must get the same
  deliver,      // a message arrives, in any order
  duplicate,    // a message will arrive twice
  lose,         // a message never arrives
  pass_time,
  tick,
  give_away,   // the batch that was built goes to the disk
  finish,      // it is durable, its effects are let out
  crash,       // the process dies: before, while or after the batch became durable
  power_loss,  // and so does the machine: what was not synced is lost
  bad_disk,    // the write fails; the log is opened again
  checkpoint,
  restart,  // a clean stop, and a new process
};

struct PlannedMove {
  Move move = Move::tick;
  std::uint32_t a = 0, b = 0, c = 0;
};

struct Plan {
  std::uint64_t seed = 0;
  std::int64_t grace_ms = 0;
  std::size_t closed_cache = 0;
  std::vector<schema::DefinitionPtr> definitions;
  std::vector<std::size_t> transactions;  // by number: which definition each follows
  std::string input;                      // raw JSON for all of them; empty: drawn from what the definition reads
  std::vector<PlannedMove> moves;
};

// A history of a definition as it was given.
Plan make_plan(std::uint64_t seed, const schema::DefinitionPtr& definition, const std::string& input);
// A history of several definitions; `transactions` says which each of them follows. The rest is drawn.
Plan make_plan(std::uint64_t seed, std::vector<schema::DefinitionPtr> definitions,
               std::vector<std::size_t> transactions, Chance& chance);
std::string_view name(Move move);

}  // namespace dta::simulation
