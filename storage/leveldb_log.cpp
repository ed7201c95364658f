// Opening a log on disk: lock, look, cut what is torn, let LevelDB open, prove.
#include "storage/leveldb_log.h"

#include <fmt/format.h>
#include <leveldb/env.h>

#include "storage/directory_check.h"
#include "storage/leveldb_store.h"
#include "storage/store_log.h"

namespace dta::storage {
namespace {

Result<std::unique_ptr<Head>> open_head(Disk& disk, const std::string& directory, std::size_t newest_slot) {
  return disk.open_blocks(directory + "/" + kHeadFileName).map([&](std::unique_ptr<BlockFile> file) {
    return std::make_unique<Head>(std::move(file), newest_slot);
  });
}

std::string parent_of(std::string directory) {
  while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
  const std::size_t slash = directory.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : directory.substr(0, slash);
}

// Everything that happens before LevelDB opens the directory.
Result<DirectoryState> prepare(leveldb::Env& env, Disk& disk, const std::string& directory, bool create_if_missing) {
  const std::string current = directory + "/CURRENT";
  if (!env.FileExists(current) && !create_if_missing)
    return schema::refuse(schema::ErrorCode::storage_fault, fmt::format("There is no log in {}.", directory));
  env.CreateDir(directory);  // that it exists already is as good; that it cannot be is seen by the next call
  DirectoryLock lock(env);
  if (Status ok = lock.take(directory); !ok) return tl::unexpected(ok.error());
  Result<DirectoryState> state = check_directory(env, directory);
  if (!state) return state;
  if (state->fresh) {
    // Before the first batch, so that a log without HEAD is always a log that lost it.
    auto head = open_head(disk, directory, kHeadSlots - 1);
    if (!head) return tl::unexpected(head.error());
    if (Status ok = (*head)->settle({}); !ok) return tl::unexpected(ok.error());
    if (Status ok = disk.sync_directory(directory); !ok) return tl::unexpected(ok.error());
    // The directory's own name too: on some file systems a power loss would otherwise take the whole log with it.
    if (Status ok = disk.sync_directory(parent_of(directory)); !ok) return tl::unexpected(ok.error());
    state->head = HeadSlot{};
    state->notes.clear();
  }
  if (Status ok = cut_torn_tails(env, disk, directory, *state); !ok) return tl::unexpected(ok.error());
  return state;
}

// A log that holds nothing may have lost HEAD while it was created; any other log may not.
Status expect_empty(const Store& store, const std::string& directory, bool head_exists) {
  const std::unique_ptr<View> view = store.view();
  const std::unique_ptr<Cursor> cursor = view->cursor();
  cursor->seek({});
  if (Status ok = cursor->status(); !ok) return ok;
  if (!cursor->valid()) return {};
  return schema::refuse(schema::ErrorCode::log_damaged,
                        fmt::format("{}/{} {}, but the log beside it is not empty: nothing can tell whether its end is "
                                    "missing.",
                                    directory, kHeadFileName, head_exists ? "has no good slot" : "does not exist"));
}

}  // namespace

schema::Result<std::unique_ptr<Log>> open_leveldb_log(const std::string& directory, const LevelDbOptions& options) {
  leveldb::Env& env = options.env != nullptr ? *options.env : *leveldb::Env::Default();
  Disk& disk = options.disk != nullptr ? *options.disk : real_disk();
  Result<DirectoryState> state = prepare(env, disk, directory, options.create_if_missing);
  if (!state) return tl::unexpected(state.error());
  auto store = open_leveldb_store(directory, options);
  if (!store) return tl::unexpected(store.error());
  if (!state->head) {
    if (Status ok = expect_empty(**store, directory, state->head_exists); !ok) return tl::unexpected(ok.error());
    state->notes.push_back("HEAD was written anew beside an empty log.");
  }
  auto head = open_head(disk, directory, state->head_newest_slot);
  if (!head) return tl::unexpected(head.error());
  // LevelDB has renamed files that it does not sync the directory for: do it before anything is acknowledged.
  if (Status ok = disk.sync_directory(directory); !ok) return tl::unexpected(ok.error());
  OpenReport report;
  report.bytes_cut = state->bytes_to_cut;
  report.notes = state->notes;
  auto log = open_store_log(std::move(*store), HeadAtOpen{std::move(*head), state->head.value_or(HeadSlot{})},
                            std::move(report));
  if (log) return log;
  schema::Error error = log.error();
  error.message = fmt::format("The log in {} cannot be opened. {}", directory, error.message);
  for (const std::string& note : state->notes) error.message += " " + note;
  return tl::unexpected(std::move(error));
}

}  // namespace dta::storage
