// dta completion: scripts for shells, written from the commands as they are registered, so that they cannot fall
// behind.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/session.h"

namespace dta::cli {
namespace {

// A command line up to a subcommand, e.g. "dta tx start", and what may follow.
struct Node {
  std::string path;
  std::vector<std::pair<std::string, std::string>> commands, options;  // word, help
};

std::string plain(std::string text) {
  std::string out;
  for (const char c : text.substr(0, text.find('\n')))
    if (c != '\'' && c != '"' && c != '[' && c != ']' && c != ':' && c != '$' && c != '`' && c != '\\')
      out.push_back(c);
  return out;
}

void collect(const CLI::App& app, const std::string& path, std::vector<Node>& nodes) {
  Node node{path, {}, {}};
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames())
      node.options.emplace_back("--" + name, plain(option->get_description()));
  const auto commands = app.get_subcommands(nullptr);
  for (const CLI::App* sub : commands) node.commands.emplace_back(sub->get_name(), plain(sub->get_description()));
  nodes.push_back(std::move(node));
  for (const CLI::App* sub : commands) collect(*sub, path + " " + sub->get_name(), nodes);
}

std::string words(const Node& node) {
  std::string text;
  for (const auto& list : {node.commands, node.options})
    for (const auto& [word, help] : list) text += (text.empty() ? "" : " ") + word;
  return text;
}

// In bash and zsh the path is found by walking the words that are no options.
std::string bash(const std::vector<Node>& nodes) {
  std::string text =
      "# bash completion of dta; source it, or save it as /etc/bash_completion.d/dta\n"
      "_dta() {\n"
      "  local path=dta word cur=\"${COMP_WORDS[COMP_CWORD]}\" known\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    case \"$path $word\" in\n";
  for (std::size_t i = 1; i < nodes.size(); ++i)
    text += "      '" + nodes[i].path + "') path='" + nodes[i].path + "' ;;\n";
  text += "    esac\n  done\n  case \"$path\" in\n";
  for (const Node& node : nodes) text += "    '" + node.path + "') known='" + words(node) + "' ;;\n";
  text +=
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$known\" -- \"$cur\"))\n"
      "  [[ ${#COMPREPLY[@]} -gt 0 || $cur == -* ]] || COMPREPLY=($(compgen -f -- \"$cur\"))\n"
      "}\n"
      "complete -F _dta dta\n";
  return text;
}

std::string zsh(const std::vector<Node>& nodes) {
  std::string text =
      "#compdef dta\n"
      "# zsh completion of dta; save it as _dta in a directory of $fpath\n"
      "_dta() {\n"
      "  local line_path=dta word\n"
      "  for word in ${words[2,CURRENT-1]}; do\n"
      "    case \"$line_path $word\" in\n";
  for (std::size_t i = 1; i < nodes.size(); ++i)
    text += "      '" + nodes[i].path + "') line_path='" + nodes[i].path + "' ;;\n";
  text += "    esac\n  done\n  local -a known\n  case \"$line_path\" in\n";
  for (const Node& node : nodes) {
    text += "    '" + node.path + "') known=(";
    for (const auto& list : {node.commands, node.options})
      for (const auto& [word, help] : list) text += " '" + word + ":" + help + "'";
    text += " ) ;;\n";
  }
  text +=
      "  esac\n"
      "  _describe -o dta known || _files\n"
      "}\n"
      "compdef _dta dta\n";
  return text;
}

std::string fish(const std::vector<Node>& nodes) {
  std::string text = "# fish completion of dta; save it as ~/.config/fish/completions/dta.fish\n";
  for (const Node& node : nodes) {
    std::string condition;  // every word of the path was given; at the root, no command was
    for (std::size_t at = node.path.find(' '); at != std::string::npos; at = node.path.find(' ', at + 1)) {
      const std::string word = node.path.substr(at + 1, node.path.find(' ', at + 1) - at - 1);
      condition += (condition.empty() ? "" : "; and ") + ("__fish_seen_subcommand_from " + word);
    }
    std::string none_yet;
    for (const auto& [word, help] : node.commands) none_yet += " " + word;
    const std::string not_yet = none_yet.empty() ? "" : "not __fish_seen_subcommand_from" + none_yet;
    for (const auto& [word, help] : node.commands)
      text += "complete -c dta -f -n '" + condition + (condition.empty() ? "" : "; and ") + not_yet + "' -a " + word +
              " -d '" + help + "'\n";
    for (const auto& [word, help] : node.options)
      text += "complete -c dta" + (condition.empty() ? std::string() : " -n '" + condition + "'") + " -l " +
              word.substr(2) + " -d '" + help + "'\n";
  }
  return text;
}

int completion(const CLI::App& app, const std::string& shell) {
  std::vector<Node> nodes;
  collect(app, "dta", nodes);
  print(shell == "bash" ? bash(nodes) : shell == "zsh" ? zsh(nodes) : fish(nodes));
  return 0;
}

}  // namespace

void add_completion(CLI::App& app, Session& session) {
  auto shell = std::make_shared<std::string>();
  CLI::App* verb = app.add_subcommand("completion", "Print a completion script for a shell");
  verb->add_option("SHELL", *shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  verb->footer("Example:\n  source <(dta completion bash)");
  verb->callback([&app, &session, shell] { session.action = [&app, shell] { return completion(app, *shell); }; });
}

}  // namespace dta::cli
