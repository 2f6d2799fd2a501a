// TCP sockets of the machine (Linux), as far as processes need them to meet; errors as sentences.
#pragma once

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <foal/core/error.hpp>

namespace foal::transport {

/// A machine, by name or number, and a port there.
struct address {
  std::string host;
  int port = 0;
  std::string text() const {
    bool const six = host.find(':') != std::string::npos;
    return (six ? "[" + host + "]" : host) + ":" + std::to_string(port);
  }
};

using deadline = std::chrono::steady_clock::time_point;

/// One socket, which it closes.
class socket {
 public:
  explicit socket(int number = -1) : number_(number) {}
  socket(socket&& from) noexcept : number_(std::exchange(from.number_, -1)) {}
  socket& operator=(socket&& from) noexcept {
    std::swap(number_, from.number_);
    return *this;
  }
  ~socket() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }

  /// Whether it can be read from, or taken a connection from, before then.
  bool readable(deadline by) const { return ready(POLLIN, by); }
  /// Whether what it has been asked for can go on: POLLIN, POLLOUT.
  bool ready(short what, deadline by) const {
    for (;;) {
      auto const left = std::chrono::duration_cast<std::chrono::milliseconds>(by - std::chrono::steady_clock::now()).count();
      pollfd one{number_, what, 0};
      int const n = ::poll(&one, 1, left > 0 ? static_cast<int>(std::min<long long>(left, 1000)) : 0);
      if (n > 0) return true;
      if (left <= 0) return false;
    }
  }
  /// All of it, or false: the other end is gone, or it takes longer.
  bool get(void* to, std::size_t bytes, deadline by) const {
    auto* at = static_cast<std::byte*>(to);
    while (bytes > 0) {
      if (!readable(by)) return false;
      ssize_t const n = ::recv(number_, at, bytes, 0);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      at += n;
      bytes -= static_cast<std::size_t>(n);
    }
    return true;
  }
  /// For what is short.
  bool put(void const* from, std::size_t bytes) const {
    auto const* at = static_cast<std::byte const*>(from);
    while (bytes > 0) {
      ssize_t const n = ::send(number_, at, bytes, MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      at += n;
      bytes -= static_cast<std::size_t>(n);
    }
    return true;
  }

  /// The number of the machine at the other end, and the port here.
  std::string other_machine() const {
    sockaddr_storage of{};
    socklen_t size = sizeof of;
    std::array<char, NI_MAXHOST> text{};
    if (::getpeername(number_, as_address(of), &size) != 0 ||
        ::getnameinfo(as_address(of), size, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) != 0)
      return "?";
    std::string const number = text.data();
    constexpr std::string_view of_ipv4 = "::ffff:";  // to a socket of IPv6
    return number.starts_with(of_ipv4) ? number.substr(of_ipv4.size()) : number;
  }
  /// Whether the other end is this one: so it may come where nobody listens yet at a port of this machine that the system
  /// gives out.
  bool meets_itself() const {
    sockaddr_storage here{}, there{};
    socklen_t size = sizeof here, other = sizeof there;
    return ::getsockname(number_, as_address(here), &size) == 0 && ::getpeername(number_, as_address(there), &other) == 0 &&
           size == other && std::memcmp(&here, &there, size) == 0;
  }
  int port() const {
    sockaddr_storage of{};
    socklen_t size = sizeof of;
    std::array<char, NI_MAXSERV> text{};
    require(::getsockname(number_, as_address(of), &size) == 0 &&
                ::getnameinfo(as_address(of), size, nullptr, 0, text.data(), text.size(), NI_NUMERICSERV) == 0,
            "cannot tell the port of a socket, because getsockname() says '", std::strerror(errno),
            "'; this is a fault of the system");
    return std::stoi(text.data());
  }
  /// Of addresses that the system gives: what its functions take.
  static sockaddr* as_address(sockaddr_storage& of) { return static_cast<sockaddr*>(static_cast<void*>(&of)); }

 private:
  int number_;
};

namespace detail {

struct free_addresses {
  void operator()(addrinfo* all) const { ::freeaddrinfo(all); }
};
using addresses = std::unique_ptr<addrinfo, free_addresses>;

/// host: empty for all of this machine's.
inline addresses addresses_of(std::string const& host, int port, std::string& why) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = host.empty() ? AI_PASSIVE : 0;
  addrinfo* all = nullptr;
  int const failed = ::getaddrinfo(host.empty() ? nullptr : host.c_str(), std::to_string(port).c_str(), &wanted, &all);
  if (failed != 0) why = ::gai_strerror(failed);
  return addresses(failed == 0 ? all : nullptr);
}

inline socket new_socket(addrinfo const& of) {
  return socket(::socket(of.ai_family, of.ai_socktype | SOCK_CLOEXEC, of.ai_protocol));
}

}  // namespace detail

/// What is small goes at once, for others wait for it. A machine that says nothing more, not even that it is there, is given
/// up after about a minute.
inline void prepare_connection(socket const& s) {
  auto const set = [&s](int level, int option, int value) { ::setsockopt(s.number(), level, option, &value, sizeof value); };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 20);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(IPPROTO_TCP, TCP_KEEPCNT, 4);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 60'000);  // milliseconds
}

/// Takes connections at this port; 0: any that is free. host: empty for all of this machine's addresses, by IPv6 with IPv4
/// where it has that. Throws foal::error.
inline socket listening(std::string const& host, int port) {
  std::string why;
  detail::addresses const all = detail::addresses_of(host, port, why);
  for (bool const first : {true, false})
    for (addrinfo const* one = all.get(); one != nullptr; one = one->ai_next) {
      if (host.empty() && first != (one->ai_family == AF_INET6)) continue;
      socket s = detail::new_socket(*one);
      int const on = 1, off = 0;
      if (s) ::setsockopt(s.number(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
      if (s && one->ai_family == AF_INET6) ::setsockopt(s.number(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
      if (s && ::bind(s.number(), one->ai_addr, one->ai_addrlen) == 0 && ::listen(s.number(), SOMAXCONN) == 0) return s;
      why = std::strerror(errno);
    }
  throw error(sentence("cannot wait for the other processes at port ", port, host.empty() ? "" : " of " + host,
                       ", because the system says '", why, "'; give a port that is free (FOAL_ADDRESS=host:port)"));
}

/// Nothing where none has come by then. Throws foal::error where the system has none to give.
inline socket accepted(socket const& at, deadline by) {
  while (at.readable(by)) {
    socket s(::accept4(at.number(), nullptr, nullptr, SOCK_CLOEXEC));
    if (s) {
      prepare_connection(s);
      return s;
    }
    require(errno == EINTR || errno == ECONNABORTED || errno == EAGAIN,
            "cannot take the connection of another process, because the system says '", std::strerror(errno),
            "'; give this process more files (ulimit -n), or end others");
    if (std::chrono::steady_clock::now() > by) break;
  }
  return socket();
}

namespace detail {

/// Connects, or gives false and leaves in errno why not.
inline bool connects_by(socket const& s, addrinfo const& to, deadline by) {
  int const flags = ::fcntl(s.number(), F_GETFL);
  ::fcntl(s.number(), F_SETFL, flags | O_NONBLOCK);
  if (::connect(s.number(), to.ai_addr, to.ai_addrlen) != 0) {
    if (errno != EINPROGRESS) return false;
    int failed = ETIMEDOUT;
    socklen_t size = sizeof failed;
    if (s.ready(POLLOUT, by)) ::getsockopt(s.number(), SOL_SOCKET, SO_ERROR, &failed, &size);
    errno = failed;
    if (failed != 0) return false;
  }
  ::fcntl(s.number(), F_SETFL, flags);
  return true;
}

}  // namespace detail

/// Tries until then, for the other process may not be there yet. Nothing where it has not come; why: what the system says.
inline socket connected(address const& to, deadline by, std::string& why) {
  for (auto pause = std::chrono::milliseconds(1);; pause = std::min(2 * pause, std::chrono::milliseconds(200))) {
    detail::addresses const all = detail::addresses_of(to.host, to.port, why);
    for (addrinfo const* one = all.get(); one != nullptr; one = one->ai_next) {
      socket s = detail::new_socket(*one);
      if (!s || !detail::connects_by(s, *one, by)) {
        why = std::strerror(errno);
      } else if (s.meets_itself()) {
        why = std::strerror(ECONNREFUSED);
      } else {
        prepare_connection(s);
        return s;
      }
    }
    if (std::chrono::steady_clock::now() + pause > by) return socket();
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace foal::transport
