// Every write that is not a batch of records says where the log stood: so each intact write in LevelDB's own log tells
// a position, and opening can judge what a damaged tail may have held before anything is changed. Any thread.
#pragma once

#include <leveldb/write_batch.h>

#include "storage/keys.h"

namespace dta::storage {

inline void put_stand(leveldb::WriteBatch& puts, schema::Position end) {
  char value[8];
  put_u64(value, end.value);
  const ShortKey key = meta_key(MetaKey::stand);
  const std::string_view bytes = key;
  puts.Put({bytes.data(), bytes.size()}, {value, sizeof value});
}

}  // namespace dta::storage
