// Stepping over checked JSON text without looking inside: shared by the readers in json.cpp and the digest in
// json_digest.cpp, and by nothing else. Every function relies on check_json having passed the text; `p` is inside it.
#pragma once

#include <string_view>

namespace dta::schema::scan {

inline const char* space(const char* p, const char* end) {
  while (p != end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) ++p;
  return p;
}

// From the opening quote to behind the closing one.
inline const char* string(const char* p) {
  ++p;
  while (*p != '"') p += *p == '\\' ? 2 : 1;
  return p + 1;
}

// From a number or word to the first byte behind it.
inline const char* scalar(const char* p, const char* end) {
  while (p != end && *p != ',' && *p != ']' && *p != '}' && *p != ' ' && *p != '\n' && *p != '\r' && *p != '\t') ++p;
  return p;
}

// From the first byte of any value to behind it.
inline const char* value(const char* p, const char* end) {
  if (*p == '"') return string(p);
  if (*p != '{' && *p != '[') return scalar(p, end);
  int depth = 0;
  for (;;) {
    const char c = *p;
    if (c == '"') {
      p = string(p);
      continue;
    }
    ++p;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) return p;
  }
}

inline std::string_view span(const char* begin, const char* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}

}  // namespace dta::schema::scan
