// Checkpoints: write, seal, read, tidy. A seal is: u32 chunk count, u64 bytes of all chunks, u64 XXH3-64 over them.
#include "storage/checkpoint_store.h"

#include <fmt/format.h>
#include <leveldb/write_batch.h>
#include <xxhash.h>

#include "storage/keys.h"
#include "storage/stand.h"

namespace dta::storage {
namespace {

constexpr std::size_t kSealBytes = 20;
constexpr std::size_t kRemovalsAtOnce = 1000;

leveldb::Slice slice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

tl::unexpected<schema::Error> damaged(Position position, std::string_view what) {
  return schema::refuse(schema::ErrorCode::log_damaged,
                        fmt::format("The checkpoint at position {} {}.", position.value, what));
}

class Checksum {
 public:
  Checksum() : state_(XXH3_createState()) { XXH3_64bits_reset(state_); }
  ~Checksum() { XXH3_freeState(state_); }
  Checksum(const Checksum&) = delete;
  Checksum& operator=(const Checksum&) = delete;
  void add(std::string_view chunk) {
    // The length goes in first, so that bytes cannot move from one chunk to the next unnoticed.
    char length[8];
    put_u64(length, chunk.size());
    XXH3_64bits_update(state_, length, sizeof length);
    XXH3_64bits_update(state_, chunk.data(), chunk.size());
    ++count_;
    bytes_ += chunk.size();
  }
  std::string seal() const {
    std::string value;
    append_u32(value, count_);
    append_u64(value, bytes_);
    append_u64(value, XXH3_64bits_digest(state_));
    return value;
  }
  std::uint32_t count() const { return count_; }

 private:
  XXH3_state_t* state_;
  std::uint32_t count_ = 0;
  std::uint64_t bytes_ = 0;
};

// Hands out the chunks of a sealed checkpoint in order and compares them with the seal.
Status visit_chunks(const View& view, Position position, const std::function<void(std::string_view)>& visit) {
  std::string seal;
  const Result<bool> sealed = view.get(seal_key(position), seal);
  if (!sealed) return tl::unexpected(sealed.error());
  if (!*sealed || seal.size() != kSealBytes) return damaged(position, "has a seal of the wrong size");
  Checksum checksum;
  const std::unique_ptr<Cursor> cursor = view.cursor();
  for (cursor->seek(chunk_key(position, 0)); cursor->valid() && is_kind(cursor->key(), KeyKind::chunk);
       cursor->next()) {
    if (cursor->key() != std::string_view(chunk_key(position, checksum.count()))) break;
    checksum.add(cursor->value());
    visit(cursor->value());
  }
  if (Status ok = cursor->status(); !ok) return ok;
  if (checksum.seal() != seal) return damaged(position, "does not match its seal");
  return {};
}

}  // namespace

Result<std::optional<Position>> sealed_position(const View& view) {
  const std::unique_ptr<Cursor> cursor = view.cursor();
  cursor->seek_before(kind_end(KeyKind::seal));
  if (Status ok = cursor->status(); !ok) return tl::unexpected(ok.error());
  if (!cursor->valid() || !is_kind(cursor->key(), KeyKind::seal)) return std::nullopt;
  if (cursor->key().size() != kSealKeyBytes) return damaged(Position{}, "has a key of the wrong size");
  return Position(get_u64(cursor->key().data() + 1));
}

Result<std::optional<Checkpoint>> read_checkpoint(const View& view) {
  const auto position = sealed_position(view);
  if (!position) return tl::unexpected(position.error());
  if (!*position) return std::nullopt;
  Checkpoint checkpoint{**position, {}};
  const Status read =
      visit_chunks(view, **position, [&](std::string_view chunk) { checkpoint.chunks.emplace_back(chunk); });
  if (!read) return tl::unexpected(read.error());
  return checkpoint;
}

Result<std::optional<Position>> prove_checkpoint(const View& view) {
  auto position = sealed_position(view);
  if (position && *position) {
    const Status read = visit_chunks(view, **position, [](std::string_view) {});
    if (!read) return tl::unexpected(read.error());
  }
  return position;
}

Status write_sealed_checkpoint(Store& store, Position position, const std::function<Position()>& end,
                               const std::function<std::optional<std::string>()>& next_chunk) {
  Checksum checksum;
  while (const std::optional<std::string> chunk = next_chunk()) {
    leveldb::WriteBatch puts;
    puts.Put(slice(chunk_key(position, checksum.count())), *chunk);
    put_stand(puts, end());
    if (Status ok = store.write(puts); !ok) return ok;
    checksum.add(*chunk);
  }
  leveldb::WriteBatch seal;
  seal.Put(slice(seal_key(position)), checksum.seal());
  put_stand(seal, end());
  return store.write(seal);
}

Status remove_other_checkpoints(Store& store, std::optional<Position> keep, const std::function<Position()>& end) {
  const std::unique_ptr<View> view = store.view();
  const std::unique_ptr<Cursor> cursor = view->cursor();
  leveldb::WriteBatch removals;
  std::size_t count = 0;
  // Seals stand after chunks in the order of keys, but must go first: a seal without its chunks would be damage.
  for (const KeyKind kind : {KeyKind::seal, KeyKind::chunk}) {
    for (cursor->seek(kind_begin(kind)); cursor->valid() && is_kind(cursor->key(), kind); cursor->next()) {
      const std::string_view key = cursor->key();
      if (key.size() < 9) return damaged(Position{}, "has a key of the wrong size");
      if (keep && Position(get_u64(key.data() + 1)) == *keep) continue;
      removals.Delete(slice(key));
      if (++count % kRemovalsAtOnce != 0) continue;
      put_stand(removals, end());
      if (Status ok = store.write(removals); !ok) return ok;
      removals.Clear();
    }
    if (Status ok = cursor->status(); !ok) return ok;
  }
  if (count % kRemovalsAtOnce == 0) return {};
  put_stand(removals, end());
  return store.write(removals);
}

}  // namespace dta::storage
