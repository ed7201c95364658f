// The real disk: POSIX files. A failed fsync is reported once and never retried: the kernel may have dropped the pages.
#include "storage/disk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace dta::storage {
namespace {

tl::unexpected<schema::Error> fault(std::string_view doing, const std::string& path) {
  return schema::refuse(schema::ErrorCode::storage_fault,
                        fmt::format("{} {} failed: {}.", doing, path, std::strerror(errno)));
}

class PosixBlockFile final : public BlockFile {
 public:
  PosixBlockFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixBlockFile() override { ::close(fd_); }
  PosixBlockFile(const PosixBlockFile&) = delete;
  PosixBlockFile& operator=(const PosixBlockFile&) = delete;

  Status write_at(std::uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return fault("Writing", path_);
      bytes.remove_prefix(static_cast<std::size_t>(written));
      offset += static_cast<std::uint64_t>(written);
    }
    return {};
  }

  Status sync() override {
    if (::fdatasync(fd_) != 0) return fault("Syncing", path_);
    return {};
  }

 private:
  const int fd_;
  const std::string path_;
};

class PosixDisk final : public Disk {
 public:
  Result<std::unique_ptr<BlockFile>> open_blocks(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return fault("Opening", path);
    return std::make_unique<PosixBlockFile>(fd, path);
  }

  Status sync_directory(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return fault("Opening the directory", path);
    const int synced = ::fsync(fd);
    const int error = errno;
    ::close(fd);
    errno = error;
    if (synced != 0) return fault("Syncing the directory", path);
    return {};
  }
};

}  // namespace

Disk& real_disk() {
  static PosixDisk disk;
  return disk;
}

}  // namespace dta::storage
