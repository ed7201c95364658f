// The strict reader of HTTP/1.1 requests (http_message.h). Section numbers are RFC 9112's unless another is named.
#include "server/http_message.h"

#include "schema/limits.h"

namespace dta::server {
namespace {

using enum schema::ErrorCode;
namespace limits = schema::limits;

bool is_token_char(char c) {  // RFC 9110, 5.6.2
  if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
  return std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) {
  for (const char c : text)
    if (!is_token_char(c)) return false;
  return !text.empty();
}

bool is_space(char c) {
  return c == ' ' || c == '\t';
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// Text of a field value or a quoted string: anything but controls; the tab is none (RFC 9110, 5.5).
bool is_field_text(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t') || byte == 0x7f) return false;
  }
  return true;
}

// Calls `each` with every element of a comma-separated list, empty ones left out (RFC 9110, 5.6.1).
template <class Each>
void for_each_element(std::string_view list, Each&& each) {
  while (true) {
    const std::size_t comma = list.find(',');
    const std::string_view element = trim(list.substr(0, comma));
    if (!element.empty()) each(element);
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

enum class Line : std::uint8_t { whole, more, fault };

// Takes the next line from `bytes` (its CRLF removed). A line ends with CRLF and holds no other CR (2.2).
Line next_line(std::string_view& bytes, std::size_t& scanned, std::string_view& line) {
  const std::size_t end = bytes.find('\n', scanned);
  if (end == std::string_view::npos) {
    // A CR that something other than LF follows will never become a line: say so at once, do not wait for more.
    const std::size_t cr = bytes.find('\r', scanned);
    if (cr != std::string_view::npos && cr + 1 < bytes.size()) return Line::fault;
    scanned = bytes.empty() ? 0 : bytes.size() - 1;
    return Line::more;
  }
  scanned = 0;
  if (end == 0 || bytes[end - 1] != '\r') return Line::fault;
  line = bytes.substr(0, end - 1);
  bytes.remove_prefix(end + 1);
  return line.find('\r') == std::string_view::npos ? Line::whole : Line::fault;
}

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

std::optional<FieldLine> split_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return std::nullopt;
  const std::string_view value = trim(line.substr(colon + 1));
  if (!is_field_text(value)) return std::nullopt;
  return FieldLine{line.substr(0, colon), value};
}

Feed HeadReader::refuse(schema::ErrorCode code, std::string_view detail) {
  fault_ = schema::Error{code, std::string(detail)};
  return Feed::fault;
}

void HeadReader::reset() {
  // The strings keep their memory for the next request of the connection.
  head_.method.clear();
  head_.target.clear();
  head_.host.clear();
  head_.origin.clear();
  head_.content_type.clear();
  head_.content_length = 0;
  head_.minor_version = 1;
  head_.has_host = head_.has_origin = head_.has_content_type = head_.has_content_length = false;
  head_.chunked = head_.expects_continue = false;
  head_.keep_alive = true;
  bytes_seen_ = scanned_ = 0;
  has_request_line_ = has_transfer_encoding_ = close_ = stay_ = false;
  transfer_encoding_known_ = true;
}

Feed HeadReader::feed(std::string_view bytes, std::size_t& used) {
  std::string_view rest = bytes;
  used = 0;
  while (true) {
    std::string_view line;
    const Line got = next_line(rest, scanned_, line);
    if (got == Line::fault) return refuse(bad_request, "a line of the header section does not end with CR LF");
    const std::size_t length = got == Line::whole ? line.size() + 2 : rest.size();
    if (bytes_seen_ + length > limits::kHeaderBytesMax)
      return refuse(headers_too_large,
                    "the header section is larger than " + std::to_string(limits::kHeaderBytesMax) + " bytes");
    if (got == Line::more) return Feed::more;
    bytes_seen_ += length;
    used += length;
    if (!has_request_line_) {
      if (line.empty()) continue;  // an empty line before a request is skipped (2.2)
      if (request_line(line) == Feed::fault) return Feed::fault;
      has_request_line_ = true;
    } else if (line.empty()) {
      return finish();
    } else if (field_line(line) == Feed::fault) {
      return Feed::fault;
    }
  }
}

Feed HeadReader::request_line(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos) return refuse(bad_request, "the request line is not METHOD TARGET VERSION");
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, second - first - 1);
  const std::string_view version = line.substr(second + 1);
  if (!is_token(method)) return refuse(bad_request, "the method is not a token");
  if (target.empty()) return refuse(bad_request, "the request target is empty");
  for (const char c : target)
    if (c <= ' ' || c >= 0x7f)
      return refuse(bad_request, "the request target holds a byte that must be percent-encoded");
  auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (version.size() != 8 || version.substr(0, 5) != "HTTP/" || !digit(version[5]) || version[6] != '.' ||
      !digit(version[7]))
    return refuse(bad_request, "the request line does not end with a version such as HTTP/1.1");
  if (version[5] != '1')
    return refuse(http_version_not_supported, "the request is in another version of HTTP than 1.x");
  head_.method = method;
  head_.target = target;
  head_.minor_version = version[7] - '0';
  return Feed::more;
}

Feed HeadReader::field_line(std::string_view line) {
  if (is_space(line.front())) return refuse(bad_request, "a header field is folded over two lines");
  const std::optional<FieldLine> field = split_field(line);
  if (!field) return refuse(bad_request, "a line of the header section is not a header field");
  return known_field(field->name, field->value);
}

Feed HeadReader::known_field(std::string_view name, std::string_view value) {
  switch (name.size()) {
    case 4:
      if (equals_ignoring_case(name, "host")) {
        if (head_.has_host) return refuse(bad_request, "there is more than one Host header");
        head_.has_host = true;
        head_.host = value;
      }
      break;
    case 6:
      if (equals_ignoring_case(name, "origin")) {
        if (head_.has_origin) return refuse(bad_request, "there is more than one Origin header");
        head_.has_origin = true;
        head_.origin = value;
      } else if (equals_ignoring_case(name, "expect")) {
        if (equals_ignoring_case(value, "100-continue")) head_.expects_continue = true;
      }
      break;
    case 10:
      if (equals_ignoring_case(name, "connection")) {
        for_each_element(value, [&](std::string_view option) {
          if (equals_ignoring_case(option, "close")) close_ = true;
          if (equals_ignoring_case(option, "keep-alive")) stay_ = true;
        });
      }
      break;
    case 12:
      if (equals_ignoring_case(name, "content-type")) {
        if (head_.has_content_type) return refuse(bad_request, "there is more than one Content-Type header");
        head_.has_content_type = true;
        head_.content_type = value;
      }
      break;
    case 14:
      if (equals_ignoring_case(name, "content-length")) {
        if (head_.has_content_length) return refuse(bad_request, "there is more than one Content-Length header");
        if (value.empty()) return refuse(bad_request, "Content-Length is empty");
        std::uint64_t length = 0;
        for (const char c : value) {
          if (c < '0' || c > '9') return refuse(bad_request, "Content-Length is not a number");
          if (length > (UINT64_MAX - 9) / 10) return refuse(bad_request, "Content-Length does not fit 64 bits");
          length = length * 10 + static_cast<std::uint64_t>(c - '0');
        }
        head_.has_content_length = true;
        head_.content_length = length;
      }
      break;
    case 17:
      if (equals_ignoring_case(name, "transfer-encoding")) {
        has_transfer_encoding_ = true;
        for_each_element(value, [&](std::string_view coding) {
          // "chunked" once and nothing else: this server decodes no other coding, and chunked twice is no framing
          // (6.1).
          if (head_.chunked || !equals_ignoring_case(coding, "chunked")) transfer_encoding_known_ = false;
          head_.chunked = true;
        });
      }
      break;
    default:
      break;
  }
  return Feed::more;
}

Feed HeadReader::finish() {
  if (!head_.has_host && head_.minor_version >= 1) return refuse(bad_request, "the Host header is missing");  // 3.2
  if (has_transfer_encoding_) {
    if (head_.has_content_length) return refuse(bad_request, "Content-Length and Transfer-Encoding are both given");
    if (head_.minor_version == 0) return refuse(bad_request, "HTTP/1.0 has no Transfer-Encoding");
    if (!head_.chunked || !transfer_encoding_known_)
      return refuse(bad_request, "the only transfer coding that is understood is chunked");
  }
  head_.keep_alive = head_.minor_version >= 1 ? !close_ : stay_ && !close_;
  head_.expects_continue = head_.expects_continue && head_.minor_version >= 1;  // RFC 9110, 10.1.1
  return Feed::done;
}

Feed ChunkReader::refuse(schema::ErrorCode code, std::string_view detail) {
  fault_ = schema::Error{code, std::string(detail)};
  return Feed::fault;
}

void ChunkReader::reset() {
  body_.clear();
  left_ = 0;
  overhead_ = 0;
  part_ = Part::size;
}

// chunk-size [ chunk-ext ], chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )  (7.1)
Feed ChunkReader::size_line(std::string_view line) {
  std::uint64_t size = 0;
  std::size_t i = 0;
  for (; i < line.size(); ++i) {
    const char c = line[i];
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) break;
    if (size >> 59 != 0) return refuse(bad_request, "a chunk size does not fit 64 bits");
    size = size * 16 + static_cast<std::uint64_t>(digit);
  }
  if (i == 0) return refuse(bad_request, "a chunk does not begin with its size");
  auto skip_space = [&] {
    while (i < line.size() && is_space(line[i])) ++i;
  };
  auto take_token = [&] {
    const std::size_t begin = i;
    while (i < line.size() && is_token_char(line[i])) ++i;
    return i > begin;
  };
  auto take_quoted = [&] {
    for (++i; i < line.size(); ++i) {
      if (line[i] == '"') return ++i, true;
      if (line[i] == '\\' && ++i == line.size()) return false;
      if (!is_field_text(line.substr(i, 1))) return false;
    }
    return false;
  };
  while (i < line.size()) {
    skip_space();
    if (i == line.size() || line[i] != ';')
      return refuse(bad_request, "a chunk size is followed by something that is no extension");
    ++i;
    skip_space();
    if (!take_token()) return refuse(bad_request, "a chunk extension has no name");
    const std::size_t after_name = i;
    skip_space();
    if (i == line.size() || line[i] != '=') {
      i = after_name;
      continue;
    }
    ++i;
    skip_space();
    const bool valued = i < line.size() && line[i] == '"' ? take_quoted() : take_token();
    if (!valued) return refuse(bad_request, "a chunk extension has no proper value");
  }
  left_ = size;
  return Feed::more;
}

Feed ChunkReader::feed(std::string_view bytes, std::size_t& used) {
  std::string_view rest = bytes;
  while (true) {
    used = bytes.size() - rest.size();
    if (part_ == Part::data) {
      const std::size_t take = left_ < rest.size() ? static_cast<std::size_t>(left_) : rest.size();
      body_.append(rest.substr(0, take));
      rest.remove_prefix(take);
      left_ -= take;
      used += take;
      if (left_ != 0) return Feed::more;
      part_ = Part::data_end;
    }
    if (part_ == Part::data_end) {
      if (!rest.empty() && rest[0] != '\r') return refuse(bad_request, "the data of a chunk does not end with CR LF");
      if (rest.size() > 1 && rest[1] != '\n') return refuse(bad_request, "the data of a chunk does not end with CR LF");
      if (rest.size() < 2) return Feed::more;
      rest.remove_prefix(2);
      part_ = Part::size;
      continue;
    }
    std::string_view line;
    std::size_t scanned = 0;
    const Line got = next_line(rest, scanned, line);
    if (got == Line::fault) return refuse(bad_request, "a line of the chunked body does not end with CR LF");
    const std::size_t length = got == Line::whole ? line.size() + 2 : rest.size();
    // Every chunk costs a size line: bytes of body earn the right to as many bytes of lines, beside the flat limit.
    if (overhead_ + length > limits::kHeaderBytesMax + body_.size())
      return refuse(headers_too_large, "chunk sizes, extensions and trailers are larger than their limit");
    if (got == Line::more) return Feed::more;
    overhead_ += length;
    used += length;
    if (part_ == Part::trailer) {
      if (line.empty()) return Feed::done;
      if (!split_field(line)) return refuse(bad_request, "a trailer is not a header field");
      continue;
    }
    if (size_line(line) == Feed::fault) return Feed::fault;
    if (left_ == 0) {
      part_ = Part::trailer;
    } else if (left_ > limits::kBodyBytesMax || body_.size() + left_ > limits::kBodyBytesMax) {
      return refuse(too_large, "the body is larger than " + std::to_string(limits::kBodyBytesMax) + " bytes");
    } else {
      part_ = Part::data;
    }
  }
}

}  // namespace dta::server
