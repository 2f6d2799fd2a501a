// What makes two runs the same run, item by item, so that a difference can be named.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/report/json.hpp>

namespace foal::report {

/// FNV-1a over texts and numbers, each ended, so that no two lists have one digest for a trivial reason.
class digest {
 public:
  digest& operator()(std::string_view text) {
    for (char const c : text) byte(static_cast<unsigned char>(c));
    byte(0xff);  // in no UTF-8 text
    return *this;
  }
  digest& operator()(long long number) {
    for (int i = 0; i < 8; ++i) byte(static_cast<unsigned char>(static_cast<unsigned long long>(number) >> (8 * i)));
    return *this;
  }
  std::uint64_t value() const { return state_; }
  std::string text() const {
    std::string hex(16, '0');
    for (int i = 0; i < 16; ++i) hex[static_cast<std::size_t>(15 - i)] = "0123456789abcdef"[(state_ >> (4 * i)) & 15U];
    return hex;
  }

 private:
  void byte(unsigned char b) { state_ = (state_ ^ b) * 0x100000001b3U; }
  std::uint64_t state_ = 0xcbf29ce484222325U;
};

/// Items in a fixed order, what matters most first: the model, the schedule, every policy with all its numbers, the scalar
/// type, the device, the build.
struct fingerprint {
  std::vector<std::pair<std::string, std::string>> items{};
  std::vector<std::string> unknown{};  ///< policies whose numbers may differ unseen, because they list none

  std::uint64_t digest() const {
    class digest d;
    for (auto const& [name, value] : items) d(name)(value);
    for (std::string const& name : unknown) d(name);
    return d.value();
  }

  void write(json_writer& json) const {
    json.begin_object();
    for (auto const& [name, value] : items) json.member(name, value);
    for (std::string const& name : unknown) json.member(name + ".numbers", "not known");
    json.end_object();
  }
};

/// As one text, for another process; unpacked() is its inverse.
inline std::string packed(fingerprint const& f) {
  std::string text;
  auto const add = [&text](std::string_view x) { text.append(x) += '\0'; };
  for (auto const& [name, value] : f.items) {
    add(name);
    add(value);
  }
  add({});  // no item has no name
  for (std::string const& name : f.unknown) add(name);
  return text;
}
inline fingerprint unpacked(std::string_view text) {
  fingerprint f;
  auto const next = [&text] {
    std::size_t const end = text.find('\0');
    require(end != std::string_view::npos, "cannot read a fingerprint, because its text ends too early; send it whole");
    std::string const part(text.substr(0, end));
    text.remove_prefix(end + 1);
    return part;
  };
  for (std::string name = next(); !name.empty(); name = next()) {
    std::string value = next();
    f.items.emplace_back(std::move(name), std::move(value));
  }
  while (!text.empty()) f.unknown.push_back(next());
  return f;
}

/// The value of an item that is compared where it is known.
inline constexpr std::string_view not_here = "not here";

/// What a sentence calls the two that are compared.
struct two_places {
  std::string first = "here", other = "there";
};

/// "optimizer.beta1 is 0.9 here and 0.95 there": the first item that differs; empty if none does.
inline std::string difference(fingerprint const& here, fingerprint const& there, two_places const& at = {}) {
  auto const find = [](fingerprint const& in, std::string const& name) {
    return std::find_if(in.items.begin(), in.items.end(), [&](auto const& item) { return item.first == name; });
  };
  for (auto const& [name, value] : here.items) {
    auto const other = find(there, name);
    if (other == there.items.end()) return name + " is " + value + " " + at.first + " and is not " + at.other;
    if (value == not_here || other->second == not_here) continue;
    if (other->second != value) return name + " is " + value + " " + at.first + " and " + other->second + " " + at.other;
  }
  for (auto const& [name, value] : there.items)
    if (find(here, name) == here.items.end()) return name + " is " + value + " " + at.other + " and is not " + at.first;
  return {};
}

/// Whether both are known to be those of one run.
inline bool operator==(fingerprint const& a, fingerprint const& b) {
  return a.unknown.empty() && b.unknown.empty() && difference(a, b).empty();
}

/// Throws foal::error unless both are known to be those of one run. what: what they are to do, for the sentence.
inline void require_same(fingerprint const& mine, fingerprint const& other, std::string_view what,
                         two_places const& at = {}) {
  std::string const differs = difference(mine, other, at);
  require(differs.empty(), "cannot ", what, ", because the runs are not the same: ", differs,
          "; build and set up both alike");
  for (fingerprint const* const f : {&mine, &other})
    require(f->unknown.empty(), "cannot ", what, ", because nothing says whether the runs are the same: the policy of '",
            f->unknown.empty() ? "" : f->unknown.front(),
            "' has numbers and lists none; give it a member numbers(f) that does");
}

}  // namespace foal::report
