// Calls about definitions: publish, read, list. io thread.
#include <charconv>

#include "schema/hash.h"
#include "schema/json.h"
#include "server/http_routes.h"
#include "server/request_body.h"

namespace dta::server {
namespace {

using enum schema::ErrorCode;

std::optional<std::uint32_t> parse_version(std::string_view text) {
  std::uint32_t version = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (status != std::errc{} || end != text.data() + text.size() || version == 0) return std::nullopt;
  return version;
}

std::string_view to_string(schema::Form form) {
  return form == schema::Form::steps ? "steps" : "table";
}

std::string published_json(const PublishReply& reply, const std::vector<schema::Fault>& warnings) {
  std::string out = "{\"name\":";
  schema::append_quoted(out, reply.name);
  out += ",\"version\":" + std::to_string(reply.version) + ",\"digest\":\"" + schema::to_hex(reply.digest) +
         "\",\"created\":";
  out += reply.created ? "true" : "false";
  out += ",\"warnings\":[";
  for (std::size_t i = 0; i < warnings.size(); ++i) {
    out += i == 0 ? "{\"pointer\":" : ",{\"pointer\":";
    schema::append_quoted(out, warnings[i].pointer);
    out += ",\"message\":";
    schema::append_quoted(out, warnings[i].message);
    out += '}';
  }
  return out + "]}";
}

}  // namespace

void put_definition(Call& call) {
  if (auto known = check_query(call.query, {}); !known) return call.refuse(known.error());
  const auto version = parse_version(call.path[1]);
  if (!version)
    return call.refuse({invalid_argument, "the version in the path must be an integer from 1 to 4294967295"});
  auto definition = schema::parse_definition(call.body);
  if (!definition) return call.refuse(definition.error());
  Faults faults;
  if ((*definition)->name != call.path[0]) faults.add(invalid_argument, "/name", "is not the name in the path");
  if ((*definition)->version != *version) faults.add(invalid_argument, "/version", "is not the version in the path");
  if (!faults.none()) return call.refuse(faults.error());
  auto answer = [warnings = schema::warnings(**definition)](const PublishReply& reply) {
    return Answer{reply.created ? 201 : 200, "application/json", published_json(reply, warnings)};
  };
  PublishRequest request{std::move(*definition),
                         answer_with<PublishReply>(call.server, call.ticket, std::move(answer))};
  call.server.port().submit(std::move(request), call.body.size());
}

void get_definition(Call& call) {
  if (auto known = check_query(call.query, {"full"}); !known) return call.refuse(known.error());
  auto full = query_number(call.query, "full", 0, 1);
  if (!full) return call.refuse(full.error());
  const auto version = call.path[1] == "newest" ? std::optional<std::uint32_t>(0) : parse_version(call.path[1]);
  if (!version)
    return call.refuse(
        {invalid_argument, "the version in the path must be \"newest\" or an integer from 1 to 4294967295"});
  auto answer = [full = full->value_or(0) == 1](const DefinitionsReply& reply) {
    const schema::Definition& definition = *reply.definitions.at(0).definition;
    return Answer{200, "application/json", full ? schema::full_text(definition) : definition.text};
  };
  auto reply = [forward = answer_with<DefinitionsReply>(call.server, call.ticket, std::move(answer)),
                name = call.path[0]](schema::Result<DefinitionsReply> got) {
    if (got && got->definitions.empty())
      return forward(schema::refuse(definition_not_found, "no definition is named " + name));
    forward(std::move(got));
  };
  call.server.port().submit(DefinitionsRequest{call.path[0], *version, std::move(reply)}, 0);
}

void list_definitions(Call& call) {
  if (auto known = check_query(call.query, {}); !known) return call.refuse(known.error());
  auto answer = [](const DefinitionsReply& reply) {
    std::string out = "{\"definitions\":[";
    for (const DefinitionInfo& info : reply.definitions) {
      if (out.back() == '}') out += ',';
      const schema::Definition& definition = *info.definition;
      out += "{\"name\":";
      schema::append_quoted(out, definition.name);
      out += ",\"version\":" + std::to_string(definition.version) + ",\"form\":\"";
      out += to_string(definition.form);
      out += "\",\"digest\":\"" + schema::to_hex(definition.digest) + "\",\"published_at\":\"" +
             schema::format_time(info.published_at) + "\"";
      out += info.paused ? ",\"paused\":true" : ",\"paused\":false";
      out += info.deprecated ? ",\"deprecated\":true}" : ",\"deprecated\":false}";
    }
    return Answer{200, "application/json", out + "]}"};
  };
  DefinitionsRequest request{{}, 0, answer_with<DefinitionsReply>(call.server, call.ticket, std::move(answer))};
  call.server.port().submit(std::move(request), 0);
}

}  // namespace dta::server
