// Pieces of definitions that plain and rich ones share. Private to this folder.
#pragma once

#include <string>

#include "tests/model/random_definition.h"

namespace dta::model {

inline constexpr const char* kLengths[] = {"2s", "3s", "5s", "8s", "20s"};

std::string random_retry(Chance& chance, bool undo);
std::string random_timeouts(Chance& chance, bool undo);
// A join; a need only as high as `tasks` reach.
std::string random_join(Chance& chance, std::size_t tasks);
// Steps in a row, as the first release ran them.
std::string random_plain_steps(Chance& chance, const std::string& name);

}  // namespace dta::model
