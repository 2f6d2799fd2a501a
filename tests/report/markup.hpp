// A strict little reader of XML for tests of pictures and pages: elements must nest, attributes must be quoted.
#pragma once

#include <cctype>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace markup {

struct element {
  std::string name;
  std::map<std::string, std::string> attributes;
};

struct document {
  bool well_formed = false;
  std::string problem;
  std::vector<element> elements;

  int count(std::string_view name, std::string_view style = {}) const {
    int n = 0;
    for (auto const& e : elements) {
      auto const at = e.attributes.find("class");
      bool const styled = at != e.attributes.end() &&
                          std::string(" ").append(at->second).append(" ").find(std::string(" ").append(style).append(" ")) !=
                              std::string::npos;
      n += e.name == name && (style.empty() || styled);
    }
    return n;
  }
};

/// HTML's void elements (meta) need no end; the inside of style elements is not looked at.
inline document parse(std::string_view text) {
  document d;
  std::vector<std::string> open;
  auto const fail = [&](std::string why, std::size_t at) {
    d.problem = why + " near: " + std::string(text.substr(at, 60));
    return d;
  };
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '&' && text.find(';', at) - at > 6) return fail("a bare &", at);
    if (text[at] == '>') return fail("a bare >", at);
    if (text[at] != '<') {
      ++at;
      continue;
    }
    if (text.substr(at, 9) == "<!DOCTYPE") {
      at = text.find('>', at) + 1;
      continue;
    }
    std::size_t const start = at++;
    bool const closing = text[at] == '/';
    at += closing;
    element e;
    while (at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) != 0)) e.name += text[at++];
    if (e.name.empty()) return fail("a bare <", start);
    while (at < text.size() && text[at] != '>' && text[at] != '/') {
      if (text[at] == ' ') {
        ++at;
        continue;
      }
      std::size_t const equals = text.find_first_of("=> ", at);
      if (equals == std::string_view::npos || text[equals] != '=' || text[equals + 1] != '"')
        return fail("an unquoted attribute", start);
      std::size_t const end = text.find('"', equals + 2);
      if (end == std::string_view::npos) return fail("an endless attribute", start);
      auto const [place, fresh] =
          e.attributes.emplace(text.substr(at, equals - at), text.substr(equals + 2, end - equals - 2));
      if (!fresh || place->second.find('<') != std::string::npos) return fail("an attribute twice or with <", start);
      at = end + 1;
    }
    bool const alone = at < text.size() && text[at] == '/';
    at += alone;
    if (at >= text.size() || text[at] != '>') return fail("an endless tag", start);
    ++at;
    if (closing) {
      if (open.empty() || open.back() != e.name) return fail("an end without its begin", start);
      open.pop_back();
      continue;
    }
    d.elements.push_back(e);
    if (alone || e.name == "meta") continue;
    open.push_back(e.name);
    if (e.name == "style") at = text.find("</style>", at);
  }
  if (!open.empty()) return fail("no end of " + open.back(), 0);
  d.well_formed = true;
  return d;
}

/// Empty, or the first place where the bytes are no UTF-8 or a character that XML 1.0 has not.
inline std::string characters(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    auto const byte = [&](std::size_t i) { return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U; };
    std::size_t const n = byte(0) < 0x80U ? 1 : byte(0) < 0xE0U ? 2 : byte(0) < 0xF0U ? 3 : 4;
    unsigned code = n == 1 ? byte(0) : byte(0) & (0xFFU >> (n + 1));
    bool sound = byte(0) < 0x80U || (byte(0) >= 0xC2U && byte(0) <= 0xF4U);
    for (std::size_t i = 1; i < n; ++i) {
      sound = sound && (byte(i) & 0xC0U) == 0x80U;
      code = code << 6U | (byte(i) & 0x3FU);
    }
    sound = sound && code >= (n == 3 ? 0x800U : n == 4 ? 0x10000U : 0U) && code <= 0x10FFFFU;
    sound = sound && (code < 0xD800U || code > 0xDFFFU) && code != 0xFFFEU && code != 0xFFFFU;
    if (!sound || (code < 0x20U && code != '\n' && code != '\t' && code != '\r'))
      return "byte " + std::to_string(at) + ": " + std::to_string(byte(0));
    at += n;
  }
  return {};
}

}  // namespace markup
