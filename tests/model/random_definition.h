// Definitions drawn from a seed, over the whole language that this release runs but child transactions: steps with
// every join, retry, timeout and template, conditions, branches, orders, fan-outs, waits, external tasks and pivots;
// and tables with and without cycles and expiry. About half are plain: steps one after the other. Lengths of time are
// few, so that timers often fall together. Names are s0, s1 ..., t0, t1 ... and g0, g1, g2 (signals); queues are those
// of kQueues. Every text is one that publishing accepts. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "schema/time.h"
#include "simulation/chance.h"

namespace dta::model {

using simulation::Chance;

inline constexpr const char* kQueues[] = {"q0", "q1", "u0", "u1"};
inline constexpr const char* kSignals[] = {"g0", "g1", "g2"};
inline constexpr const char* kLengths[] = {"2s", "3s", "5s", "8s", "20s"};

std::string random_steps(Chance& chance, const std::string& name);
std::string random_plain_steps(Chance& chance, const std::string& name);
std::string random_table(Chance& chance, const std::string& name);

// An object with the fields that the definitions read: numbers, texts, flags, arrays, lengths of time, and times around
// `now`. Now and then one is missing or of another kind than is asked for.
std::string random_input(Chance& chance, schema::Time now);
// What a task or a signal may carry, with the fields that later steps read; empty: nothing.
std::string random_output(Chance& chance);

}  // namespace dta::model
