// Checkpoints over the key-value seam: chunks under (position, chunk number), sealed by a last put that holds their
// count, their bytes and a checksum. A checkpoint without its seal does not exist. Chunks are opaque.
// Threads: write and tidy on the thread that may write; read anywhere.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "storage/key_value.h"

namespace dta::storage {

// The position of the newest sealed checkpoint.
Result<std::optional<Position>> sealed_position(const View& view);
// The newest sealed checkpoint; error log_damaged when it does not match its seal.
Result<std::optional<Checkpoint>> read_checkpoint(const View& view);
// Checks the newest sealed checkpoint without keeping its chunks.
Result<std::optional<Position>> prove_checkpoint(const View& view);

// Writes the chunks one by one, each synced, then the seal. `end` tells the durable end of the log at each write: every
// write that is not a batch says where the log stood, so that opening can tell what a damaged tail may have held.
Status write_sealed_checkpoint(Store& store, Position position, const std::function<Position()>& end,
                               const std::function<std::optional<std::string>()>& next_chunk);
// Removes every chunk and seal that does not belong to the checkpoint at `keep` (none: all of them).
Status remove_other_checkpoints(Store& store, std::optional<Position> keep, const std::function<Position()>& end);

}  // namespace dta::storage
