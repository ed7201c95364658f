// Lines into commands, commands into words.
#include "tests/scenarios/script.h"

#include <cctype>

namespace dta::scenarios {
namespace {

// Brackets still open behind `text`; those in JSON strings do not count.
int open_brackets(std::string_view text) {
  int open = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      ++open;
    } else if (c == '}' || c == ']') {
      --open;
    }
  }
  return open;
}

bool blank(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}

std::vector<Word> split(std::string_view source) {
  std::vector<Word> words;
  std::size_t at = 0;
  while (true) {
    while (at < source.size() && blank(source[at])) ++at;
    if (at == source.size()) return words;
    const std::size_t from = at;
    const bool quoted = source[at] == '"';
    if (quoted) {
      for (++at; at < source.size() && source[at] != '"'; ++at)
        if (source[at] == '\\') ++at;
      ++at;
    } else if (source[at] == '{' || source[at] == '[') {
      do ++at;
      while (at < source.size() && open_brackets(source.substr(from, at - from)) > 0);
    } else {
      while (at < source.size() && !blank(source[at])) ++at;
    }
    const std::string_view raw = source.substr(from, at - from);
    words.push_back({std::string(raw), std::string(quoted ? raw.substr(1, raw.size() - 2) : raw)});
  }
}

}  // namespace

Script read_script(std::string_view text) {
  Script script;
  std::vector<std::string> above;
  std::size_t number = 0;
  bool inside = false;  // a command whose brackets are still open
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string line(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    if (inside) {
      Command& last = script.commands.back();
      last.source += "\n" + line;
      inside = open_brackets(last.source) > 0;
    } else if (line.starts_with(kIndentation) && !script.commands.empty() && above.empty()) {
      script.commands.back().expected += line + "\n";
    } else if (line.empty() || line.front() == '#') {
      above.push_back(line);
    } else {
      script.commands.push_back({number, std::move(above), line, {}, {}});
      above.clear();
      inside = open_brackets(line) > 0;
    }
  }
  for (Command& command : script.commands) command.words = split(command.source);
  script.below = std::move(above);
  return script;
}

std::string write_script(const Script& script, const std::vector<std::string>& outputs) {
  std::string text;
  for (std::size_t i = 0; i < script.commands.size(); ++i) {
    for (const std::string& line : script.commands[i].above) text += line + "\n";
    text += script.commands[i].source + "\n" + outputs[i];
  }
  for (const std::string& line : script.below) text += line + "\n";
  return text;
}

}  // namespace dta::scenarios
