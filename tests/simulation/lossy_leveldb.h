// LevelDB on a disk in memory that forgets what was not synced (tests/storage/fault_disk.h), as the disk of a simulated
// server.
#pragma once

#include <memory>

#include "simulation/disk.h"

namespace dta::simulation {

std::unique_ptr<Disk> make_lossy_leveldb();

}  // namespace dta::simulation
