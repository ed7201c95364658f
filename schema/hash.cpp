// SHA-256 through OpenSSL, with one digest context a thread. Any thread.
#include "schema/hash.h"

#include <openssl/evp.h>

#include "schema/assert.h"

namespace dta::schema {
namespace {

// One digest context per thread: creating one costs more than hashing a record.
EVP_MD_CTX* context() {
  struct Owner {
    EVP_MD_CTX* ctx = EVP_MD_CTX_new();
    EVP_MD* md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    ~Owner() {
      EVP_MD_CTX_free(ctx);
      EVP_MD_free(md);
    }
  };
  thread_local Owner owner;
  DTA_ASSERT(owner.ctx != nullptr && EVP_DigestInit_ex2(owner.ctx, owner.md, nullptr) == 1);
  return owner.ctx;
}

}  // namespace

Hash sha256_of(std::span<const std::string_view> parts) {
  EVP_MD_CTX* ctx = context();
  for (std::string_view part : parts) DTA_ASSERT(EVP_DigestUpdate(ctx, part.data(), part.size()) == 1);
  Hash hash;
  unsigned int length = 0;
  DTA_ASSERT(EVP_DigestFinal_ex(ctx, hash.data(), &length) == 1 && length == hash.size());
  return hash;
}

Hash sha256(std::string_view bytes) {
  return sha256_of(std::span(&bytes, 1));
}

std::string to_hex(std::span<const std::uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (std::uint8_t byte : bytes) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

}  // namespace dta::schema
