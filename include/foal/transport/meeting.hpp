// How the processes of a run find each other without a library: process 0 waits at an address that all know, the others come
// there, hear where each can be found, and meet in pairs.
#pragma once

#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <foal/transport/contract.hpp>
#include <foal/transport/note.hpp>
#include <foal/transport/socket.hpp>

namespace foal::transport {

/// Where process 0 waits: FOAL_ADDRESS=host:port, the user's word; else MASTER_ADDR and MASTER_PORT, as torchrun sets them.
/// Where torchrun keeps a store of its own at that port (TORCHELASTIC_USE_AGENT_STORE), the next one. get: as std::getenv.
/// Throws foal::error where neither is there or one is no address.
template <class Get>
address meeting_address(Get const& get) {
  auto const port = [](std::string_view variable, std::string const& text, int most) {
    int n = 0;
    auto const [at, failed] = std::from_chars(text.data(), text.data() + text.size(), n);
    require(failed == std::errc{} && at == text.data() + text.size() && n > 0 && n <= most,
            "cannot meet the other processes, because the port in ", variable, " is '", text,
            "' and no whole number from 1 to ", most, "; correct it");
    return n;
  };
  if (char const* const users = get("FOAL_ADDRESS"); users != nullptr) {
    std::string_view const text = users;
    auto const colon = text.rfind(':');
    require(colon != std::string_view::npos && colon > 0, "cannot meet the other processes, because FOAL_ADDRESS is '", text,
            "' and not host:port; name the machine of process 0 and a port that is free there");
    std::string host(text.substr(0, colon));
    bool const brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
    require(brackets || host.find(':') == std::string::npos, "cannot meet the other processes, because FOAL_ADDRESS is '",
            text, "' and has more than one colon; write numbers of IPv6 in brackets, as [::1]:29500");
    if (brackets) host = host.substr(1, host.size() - 2);
    return {host, port("FOAL_ADDRESS", std::string(text.substr(colon + 1)), 65535)};
  }
  char const *const host = get("MASTER_ADDR"), *const number = get("MASTER_PORT"),
                    *const kept = get("TORCHELASTIC_USE_AGENT_STORE");
  require(host != nullptr && *host != 0 && number != nullptr,
          "cannot meet the other processes, because neither FOAL_ADDRESS nor MASTER_ADDR and MASTER_PORT are set in the "
          "environment; set FOAL_ADDRESS=host:port for all, the machine of process 0 and a port that is free there");
  bool const next = kept != nullptr && std::string_view(kept) == "True";
  return {host, port("MASTER_PORT", number, next ? 65534 : 65535) + (next ? 1 : 0)};
}

namespace detail {

/// What a process says first, to each that it meets.
struct greeting {
  std::uint64_t of_foal = 0x6c616f66'00000001U;  // also: bytes have this order here
  std::int32_t number = 0, count = 0, port = 0, note_bytes = sizeof(note);
};
constexpr std::size_t longest_host = 64;  // numbers, of IPv6 at most

/// Where a process takes connections; no host: on the machine of process 0.
struct place_to_meet {
  std::array<char, longest_host> host{};
  std::int32_t port = 0;
};

inline bool of_this_machine_alone(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

class meeting {
 public:
  meeting(process_place here, address at, std::chrono::seconds patience)
      : here_(here), at_(std::move(at)), patience_(patience), by_(std::chrono::steady_clock::now() + patience) {
    all_.resize(static_cast<std::size_t>(here_.count));
  }

  std::vector<socket> met() {
    if (here_.number == 0)
      receive_all();
    else
      go_round();
    return std::move(all_);
  }

 private:
  void receive_all() {
    socket const door = listening(here_only() ? at_.host : "", at_.port);
    std::vector<place_to_meet> places(all_.size());
    for (int i = 1; i < here_.count; ++i) {
      auto [s, said] = next_guest(door);
      place_to_meet& one = places[static_cast<std::size_t>(said.number)];
      one.port = said.port;
      std::string const host = s.other_machine();
      if (!of_this_machine_alone(host)) host.copy(one.host.data(), longest_host - 1);
      all_[static_cast<std::size_t>(said.number)] = std::move(s);
    }
    for (socket const& s : all_)
      if (s) s.put(places.data(), places.size() * sizeof(place_to_meet));
  }
  void go_round() {
    socket const door = listening(here_only() ? at_.host : "", 0);
    socket& first = all_.front();
    first = visited(at_, 0, door.port());
    std::vector<place_to_meet> places(all_.size());
    if (!first.get(places.data(), places.size() * sizeof(place_to_meet), by_))
      gone(0, at_, "it has not told where the others are");
    for (int q = 1; q < here_.number; ++q) {
      place_to_meet const& p = places[static_cast<std::size_t>(q)];
      std::string const host = p.host.data();
      all_[static_cast<std::size_t>(q)] = visited({host.empty() ? first.other_machine() : host, p.port}, q, 0);
    }
    for (int i = here_.number + 1; i < here_.count; ++i) {
      auto [s, said] = next_guest(door);
      all_[static_cast<std::size_t>(said.number)] = std::move(s);
    }
  }

  bool here_only() const { return of_this_machine_alone(at_.host); }
  socket visited(address const& where, int number, int port) {
    std::string why;
    socket s = connected(where, by_, why);
    if (!s) gone(number, where, why);
    greeting const mine{.number = here_.number, .count = here_.count, .port = port};
    if (!s.put(&mine, sizeof mine)) gone(number, where, std::strerror(errno));
    return s;
  }
  [[noreturn]] void gone(int number, address const& where, std::string const& why) const {
    throw error(sentence("cannot meet process ", number, " at ", where.text(), ", because after ", patience_.count(),
                         " s at most '", why,
                         "' is what there was; see what that process says, and whether its machine lets this one in"));
  }
  /// The next that is one of the processes; a stranger is let go.
  std::pair<socket, greeting> next_guest(socket const& door) {
    for (;;) {
      socket s = accepted(door, by_);
      if (!s)
        throw error(sentence("cannot begin with ", here_.count, " processes, because after ", patience_.count(), " s ",
                             missing(), " has not come to process ", here_.number, " at port ", door.port(),
                             "; see what it says, and whether all have the same address"));
      greeting said;
      auto const soon = std::min(by_, std::chrono::steady_clock::now() + std::chrono::seconds(1));
      if (!s.get(&said, sizeof said, soon) || said.of_foal != greeting{}.of_foal || said.note_bytes != greeting{}.note_bytes)
        continue;
      require(said.count == here_.count && said.number > 0 && said.number < here_.count, "cannot begin with ", here_.count,
              " processes, because one on ", s.other_machine(), " says that it is process ", said.number, " of ", said.count,
              "; start all with the same number, and each run at a port of its own");
      require(!all_[static_cast<std::size_t>(said.number)], "cannot begin, because two say that they are process ",
              said.number, ", the second one on ", s.other_machine(),
              "; give each process a number of its own, and each run a port of its own");
      return {std::move(s), said};
    }
  }
  std::string missing() const {
    for (int p = here_.number + 1; p < here_.count; ++p)
      if (!all_[static_cast<std::size_t>(p)]) return "process " + std::to_string(p);
    return "no process";
  }

  process_place here_;
  address at_;
  std::chrono::seconds patience_;
  deadline by_;
  std::vector<socket> all_;
};

}  // namespace detail

/// A connection to each other process; that of this one is empty. All call it. Throws foal::error where one has not come
/// within that time, or is no part of this run. The processes have to trust the network between them: nothing is encrypted.
inline std::vector<socket> met(process_place here, address const& at, std::chrono::seconds patience) {
  return detail::meeting(here, at, patience).met();
}

}  // namespace foal::transport
