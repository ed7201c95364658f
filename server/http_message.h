// HTTP/1.1 requests as bytes (RFC 9112), strictly: what the RFC lets a recipient forgive (bare LF, folded lines, space
// before a colon, two framings at once) is refused, because every such mercy is a way to smuggle a request past a
// proxy. A dedicated parser and not a library's: it must name the fault, refuse early, and leave bodies where they were
// read.
//
// Pure: no socket, no clock. Both readers are fed what has arrived and say how much of it they used.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "schema/error.h"

namespace dta::server {

// Request line and the header fields that mean something to this server.
struct RequestHead {
  std::string method, target;
  std::string host, origin, content_type;
  std::uint64_t content_length = 0;
  int minor_version = 1;
  bool has_host = false, has_origin = false, has_content_type = false, has_content_length = false;
  bool chunked = false;
  bool keep_alive = true;
  bool expects_continue = false;

  bool has_body() const { return chunked || content_length > 0; }
};

enum class Feed : std::uint8_t { more, done, fault };

// Reads one head. After `done` the body begins at the first byte that was not used.
class HeadReader {
 public:
  // `bytes` begins with the first byte that no earlier call used.
  Feed feed(std::string_view bytes, std::size_t& used);
  void reset();

  bool begun() const { return bytes_seen_ > 0; }  // something of a request has arrived, if only an empty line
  const RequestHead& head() const { return head_; }
  const schema::Error& fault() const { return fault_; }

 private:
  Feed refuse(schema::ErrorCode code, std::string_view detail);
  Feed request_line(std::string_view line);
  Feed field_line(std::string_view line);
  Feed known_field(std::string_view name, std::string_view value);
  Feed finish();

  RequestHead head_;
  schema::Error fault_;
  std::size_t bytes_seen_ = 0;  // of whole lines
  std::size_t scanned_ = 0;     // of the line under way: known to hold no line end
  bool has_request_line_ = false;
  bool has_transfer_encoding_ = false, transfer_encoding_known_ = true;
  bool close_ = false, stay_ = false;
};

// Reads one chunked body, trailers included, into `body`.
class ChunkReader {
 public:
  Feed feed(std::string_view bytes, std::size_t& used);
  void reset();

  std::string& body() { return body_; }
  const schema::Error& fault() const { return fault_; }

 private:
  enum class Part : std::uint8_t { size, data, data_end, trailer };
  Feed refuse(schema::ErrorCode code, std::string_view detail);
  Feed size_line(std::string_view line);

  std::string body_;
  schema::Error fault_;
  std::uint64_t left_ = 0;    // of the chunk under way
  std::size_t overhead_ = 0;  // bytes of size lines, extensions and trailers so far; limited against floods of them
  Part part_ = Part::size;
};

// Names and values of a header field line without its end; nothing when it is not one.
struct FieldLine {
  std::string_view name, value;
};
std::optional<FieldLine> split_field(std::string_view line);

bool equals_ignoring_case(std::string_view a, std::string_view b);

}  // namespace dta::server
