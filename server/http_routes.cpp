// The table of routes and the checks before it (http_routes.h). Pure.
#include "server/http_routes.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "schema/limits.h"

namespace dta::server {
namespace {

using enum schema::ErrorCode;

struct Route {
  std::string_view method, path;  // "*" stands for one part of the path
  Handler handler;
};
// Rows of one path stand together; `allow` of a path is spelled once below and checked against them by a test.
constexpr std::array kRoutes{
    Route{"POST", "v1/transactions", start_transaction},
    Route{"GET", "v1/transactions", list_transactions},
    Route{"POST", "v1/lease", lease_tasks},
    Route{"POST", "v1/tasks/results", report_results},
    Route{"POST", "v1/tasks/complete", complete_tasks},
    Route{"POST", "v1/tasks/fail", fail_tasks},
    Route{"POST", "v1/tasks/heartbeat", heartbeat_tasks},
    Route{"POST", "v1/tasks/release", release_tasks},
    Route{"POST", "v1/transactions/*/events", append_events},
    Route{"POST", "v1/transactions/*/cancel", cancel_transaction},
    Route{"POST", "v1/transactions/*/terminate", terminate_transaction},
    Route{"POST", "v1/transactions/*/incidents/*/resolve", resolve_incident},
    Route{"POST", "v1/transactions/*/signals/*", signal_transaction},
    Route{"POST", "v1/transactions/*/pause", pause_transaction},
    Route{"POST", "v1/transactions/*/resume", resume_transaction},
    Route{"GET", "v1/transactions/*/history", get_history},
    Route{"GET", "v1/transactions/*/replay", get_replay},
    Route{"GET", "v1/transactions/*", get_transaction},
    Route{"POST", "v1/start/*", start_by_input},
    Route{"GET", "v1/events", get_events},
    Route{"PUT", "v1/definitions/*/*", put_definition},
    Route{"GET", "v1/definitions/*/*", get_definition},
    Route{"POST", "v1/definitions/*/pause", pause_definition},
    Route{"POST", "v1/definitions/*/resume", resume_definition},
    Route{"POST", "v1/definitions/*/deprecate", deprecate_definition},
    Route{"GET", "v1/definitions", list_definitions},
    Route{"PUT", "v1/queues/*", put_queue},
    Route{"GET", "v1/queues/*", get_queue},
    Route{"POST", "v1/queues/*/pause", pause_queue},
    Route{"POST", "v1/queues/*/resume", resume_queue},
    Route{"GET", "v1/queues", list_queues},
    Route{"GET", "healthz", get_health},
    Route{"GET", "readyz", get_readiness},
    Route{"GET", "metrics", get_metrics},
};

// Whether the path fits the pattern; the parts that "*" stands for are kept, still encoded.
bool match(std::string_view pattern, std::string_view path, std::array<std::string_view, 2>& open, std::size_t& count) {
  count = 0;
  while (true) {
    const std::size_t a = pattern.find('/'), b = path.find('/');
    const std::string_view wanted = pattern.substr(0, a), part = path.substr(0, b);
    if (wanted == "*") {
      if (part.empty()) return false;
      open[count++] = part;
    } else if (wanted != part) {
      return false;
    }
    if ((a == std::string_view::npos) != (b == std::string_view::npos)) return false;
    if (a == std::string_view::npos) return true;
    pattern.remove_prefix(a + 1);
    path.remove_prefix(b + 1);
  }
}

bool is_loopback_v4(std::string_view host) {
  const char* at = host.data();
  const char* const end = at + host.size();
  for (int i = 0; i < 4; ++i) {
    unsigned part = 256;
    const auto [next, status] = std::from_chars(at, end, part);
    if (status != std::errc{} || part > 255 || next - at > 3 || (i == 0 && part != 127)) return false;
    at = next;
    if (i < 3 && (at == end || *at++ != '.')) return false;
  }
  return at == end;
}

// host [ ":" port ]; nothing when it is not that.
std::optional<std::string_view> host_of(std::string_view authority) {
  std::string_view host = authority, port;
  if (!authority.empty() && authority.front() == '[') {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    host = authority.substr(0, close + 1);
    port = authority.substr(close + 1);
  } else if (const std::size_t colon = authority.find(':'); colon != std::string_view::npos) {
    host = authority.substr(0, colon);
    port = authority.substr(colon);
  }
  if (!port.empty() && port.front() != ':') return std::nullopt;
  for (const char c : port.substr(port.empty() ? 0 : 1))
    if (c < '0' || c > '9') return std::nullopt;
  return host;
}

bool is_own_host(std::string_view authority, const HostRules& rules) {
  if (rules.any_host) return true;
  const auto host = host_of(authority);
  if (!host) return false;
  if (equals_ignoring_case(*host, "localhost") || *host == "[::1]" || is_loopback_v4(*host)) return true;
  return *host == rules.listen_host || *host == "[" + rules.listen_host + "]";
}

schema::Status split_query(std::string_view text, Query& query) {
  while (!text.empty()) {
    const std::size_t end = text.find('&');
    std::string item(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (item.empty()) continue;
    std::replace(item.begin(), item.end(), '+', ' ');  // as forms write it
    const std::size_t equals = item.find('=');
    auto name = percent_decode(std::string_view(item).substr(0, equals));
    auto value =
        percent_decode(equals == std::string::npos ? std::string_view() : std::string_view(item).substr(equals + 1));
    if (!name || !value || !is_utf8(*name) || !is_utf8(*value))
      return schema::refuse(invalid_argument, "the query holds a broken percent escape, or is not UTF-8");
    if (query_value(query, *name))
      return schema::refuse(invalid_argument, "the query parameter \"" + *name + "\" is given twice");
    query.emplace_back(std::move(*name), std::move(*value));
  }
  return {};
}

// application/json, with parameters or without.
bool is_json(std::string_view media_type) {
  media_type = media_type.substr(0, media_type.find(';'));
  while (!media_type.empty() && (media_type.back() == ' ' || media_type.back() == '\t')) media_type.remove_suffix(1);
  return equals_ignoring_case(media_type, "application/json");
}

std::string_view allow_of(std::string_view path) {
  std::array<std::string_view, 2> open;
  std::size_t count = 0;
  bool get = false, post = false, put = false;
  for (const Route& row : kRoutes) {
    if (!match(row.path, path, open, count)) continue;
    get = get || row.method == "GET";
    post = post || row.method == "POST";
    put = put || row.method == "PUT";
  }
  if (get && post && put) return "GET, HEAD, POST, PUT";
  if (get && post) return "GET, HEAD, POST";
  if (get && put) return "GET, HEAD, PUT";
  return get ? "GET, HEAD" : post ? "POST" : put ? "PUT" : "";
}

}  // namespace

void route(const RequestHead& head, const HostRules& rules, Routed& routed) {
  routed.handler = nullptr;
  routed.path.clear();
  routed.query.clear();
  auto refuse = [&](schema::ErrorCode code, std::string message) {
    routed.refusal = schema::Error{code, std::move(message)};
  };

  // The target: a path with a query, or the same behind a scheme and an authority, which then counts as the host.
  std::string_view target = head.target, authority = head.host;
  bool has_authority = head.has_host;
  if (target.size() > 7 && equals_ignoring_case(target.substr(0, 7), "http://")) {
    target.remove_prefix(7);
    const std::size_t end = target.find_first_of("/?#");
    authority = target.substr(0, end);
    has_authority = true;
    if (const std::size_t user = authority.rfind('@'); user != std::string_view::npos)
      authority.remove_prefix(user + 1);
    target = end == std::string_view::npos ? "/" : target.substr(end);
  }
  if (has_authority && !is_own_host(authority, rules))
    return refuse(forbidden_host, "this server does not answer for the host \"" + std::string(authority) + "\"");
  if (head.has_origin && !equals_ignoring_case(head.origin, "http://" + std::string(authority)))
    return refuse(forbidden_origin, "requests of pages from \"" + head.origin + "\" are not taken");

  const std::size_t question = target.find('?');
  std::string_view path = target.substr(0, question);
  const std::string_view query = question == std::string_view::npos ? std::string_view() : target.substr(question + 1);
  const Route* found = nullptr;
  std::array<std::string_view, 2> open;
  std::size_t count = 0;
  const std::string_view method = head.method == "HEAD" ? std::string_view("GET") : std::string_view(head.method);
  const bool rooted = !path.empty() && path.front() == '/';
  if (rooted) {
    path.remove_prefix(1);
    for (const Route& row : kRoutes) {
      if (row.method == method && match(row.path, path, open, count)) {
        found = &row;
        break;
      }
    }
  }
  if (found == nullptr) {
    routed.allow = rooted ? allow_of(path) : std::string_view();
    if (routed.allow.empty())
      return refuse(not_found, "there is nothing at " + std::string(head.target.substr(0, 200)));
    return refuse(method_not_allowed,
                  "this path takes " + std::string(routed.allow) + ", not " + head.method.substr(0, 40));
  }
  for (std::size_t i = 0; i < count; ++i) {
    auto part = percent_decode(open[i]);
    if (!part || !is_utf8(*part))
      return refuse(invalid_argument, "the path holds a broken percent escape, or is not UTF-8");
    routed.path.push_back(std::move(*part));
  }
  if (auto split = split_query(query, routed.query); !split) {
    routed.refusal = std::move(split.error());
    return;
  }
  if (found->method != "GET" && head.has_content_type && !is_json(head.content_type))
    return refuse(unsupported_media_type, "the body is " + head.content_type.substr(0, 100) +
                                              ", not application/json (curl: -H 'Content-Type: application/json')");
  routed.handler = found->handler;
}

schema::Status check_query(const Query& query, std::initializer_list<std::string_view> known,
                           std::string_view known_prefix) {
  for (const auto& [name, value] : query) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    if (!known_prefix.empty() && name.size() > known_prefix.size() && name.starts_with(known_prefix)) continue;
    return schema::refuse(unknown_field, "the query parameter \"" + name + "\" is not known");
  }
  return {};
}

std::optional<std::string_view> query_value(const Query& query, std::string_view name) {
  for (const auto& [key, value] : query)
    if (key == name) return value;
  return std::nullopt;
}

schema::Result<std::optional<std::uint64_t>> query_number(const Query& query, std::string_view name,
                                                          std::uint64_t least, std::uint64_t most) {
  const auto text = query_value(query, name);
  if (!text) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, status] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (status != std::errc{} || end != text->data() + text->size() || number < least || number > most) {
    return schema::refuse(invalid_argument, "the query parameter \"" + std::string(name) +
                                                "\" must be an integer from " + std::to_string(least) + " to " +
                                                std::to_string(most));
  }
  return number;
}

schema::Result<schema::Duration> query_wait(const Query& query) {
  auto ms = query_number(query, "wait_ms", 0, INT64_MAX);
  if (!ms) return tl::unexpected(std::move(ms.error()));
  return schema::Duration{std::min(static_cast<std::int64_t>(ms->value_or(0)), schema::limits::kWaitMsMax)};
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size() || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0) return std::nullopt;
    out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
    i += 2;
  }
  return out;
}

// The table of well-formed sequences of Unicode 15, 3.9.
bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    auto byte = [&](std::size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u; };
    const unsigned first = byte(i);
    std::size_t more = 0;
    unsigned low = 0x80, high = 0xbf;  // of the second byte
    if (first < 0x80) {
      more = 0;
    } else if (first >= 0xc2 && first <= 0xdf) {
      more = 1;
    } else if (first >= 0xe0 && first <= 0xef) {
      more = 2;
      if (first == 0xe0) low = 0xa0;
      if (first == 0xed) high = 0x9f;
    } else if (first >= 0xf0 && first <= 0xf4) {
      more = 3;
      if (first == 0xf0) low = 0x90;
      if (first == 0xf4) high = 0x8f;
    } else {
      return false;
    }
    for (std::size_t k = 1; k <= more; ++k) {
      if (byte(i + k) < low || byte(i + k) > high) return false;
      low = 0x80;
      high = 0xbf;
    }
    i += more + 1;
  }
  return true;
}

}  // namespace dta::server
