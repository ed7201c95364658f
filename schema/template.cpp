// Templates at work: raw bytes from the context spliced into JSON text. Values keep the bytes they have; only member
// names are written anew. Pure; any thread.
#include <fmt/format.h>

#include <unordered_map>

#include "schema/assert.h"
#include "schema/definition.h"
#include "schema/json.h"
#include "schema/limits.h"

namespace dta::schema {
namespace {

class Resolver {
 public:
  explicit Resolver(const TemplateContext& context) : context_(context) {}

  // Appends the value to `out`. After an error `out` holds a part that the caller drops.
  Status append(std::string& out, const Template& t) {
    switch (t.kind) {
      case Template::Kind::literal:
        out += t.text;
        break;
      case Template::Kind::pointer:
        if (const auto found = context_.find(t.text)) {
          out += *found;
          break;
        }
        return refuse(ErrorCode::invalid_argument, fmt::format("`{}` does not exist", t.text));
      case Template::Kind::object:
        return append_children(out, t, '{', '}');
      case Template::Kind::array:
        return append_children(out, t, '[', ']');
      case Template::Kind::merge:
        return append_merged(out, t);
      case Template::Kind::first:
        return append_first(out, t);
    }
    return within_limit(out);
  }

 private:
  // A pointer may be used many times, so the text may be far larger than template and context together.
  static Status within_limit(const std::string& out) {
    if (out.size() <= limits::kPayloadBytesMax) return {};
    return refuse(ErrorCode::too_large,
                  fmt::format("the resolved template has more than {} bytes", limits::kPayloadBytesMax));
  }

  Status append_children(std::string& out, const Template& t, char open, char close) {
    out.push_back(open);
    for (std::size_t i = 0; i < t.children.size(); ++i) {
      if (i != 0) out.push_back(',');
      if (open == '{') {
        append_quoted(out, t.names[i]);
        out.push_back(':');
      }
      if (auto status = append(out, t.children[i]); !status) return status;
    }
    out.push_back(close);
    return within_limit(out);
  }

  // Members stand where their name came first; the last value wins.
  Status append_merged(std::string& out, const Template& t) {
    std::vector<std::string> parts;  // never grows past its reserve: the merged values point into it
    parts.reserve(t.children.size());
    std::unordered_map<std::string, std::size_t> place;
    std::vector<JsonMember> merged;
    for (const Template& child : t.children) {
      std::string& part = parts.emplace_back();
      if (auto status = append(part, child); !status) return status;
      const JsonValue value{part};
      if (value.kind() != JsonKind::object)
        return refuse(ErrorCode::invalid_argument,
                      child.kind == Template::Kind::pointer
                          ? fmt::format("`$merge` needs objects, but `{}` is none", child.text)
                          : std::string("`$merge` needs objects, but one of its parts is none"));
      for (JsonMember& member : members(value)) {
        const auto [known, is_new] = place.emplace(member.name, merged.size());
        if (is_new) {
          merged.push_back(std::move(member));
        } else {
          merged[known->second].value = member.value;
        }
      }
    }
    out.push_back('{');
    for (std::size_t i = 0; i < merged.size(); ++i) {
      if (i != 0) out.push_back(',');
      append_quoted(out, merged[i].name);
      out.push_back(':');
      out += merged[i].value.raw;
    }
    out.push_back('}');
    return within_limit(out);
  }

  // A part exists when everything in it does; null exists.
  Status append_first(std::string& out, const Template& t) {
    const std::size_t before = out.size();
    for (const Template& child : t.children) {
      const Status status = append(out, child);
      if (status || status.error().code != ErrorCode::invalid_argument) return status;
      out.resize(before);
    }
    return refuse(ErrorCode::invalid_argument,
                  fmt::format("none of the parts of `$first` exists (`{}`)", fmt::join(pointers(t), "`, `")));
  }

  const TemplateContext& context_;
};

void collect(const Template& t, std::vector<std::string_view>& found) {
  if (t.kind == Template::Kind::pointer) found.push_back(t.text);
  for (const Template& child : t.children) collect(child, found);
}

}  // namespace

Result<std::string> resolve(const Template& t, const TemplateContext& context) {
  std::string out;
  if (auto status = Resolver(context).append(out, t); !status) return tl::unexpected(status.error());
  return out;
}

std::vector<std::string_view> pointers(const Template& t) {
  std::vector<std::string_view> found;
  collect(t, found);
  return found;
}

}  // namespace dta::schema
