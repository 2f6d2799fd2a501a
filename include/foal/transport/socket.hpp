// TCP sockets of the machine (POSIX), as far as processes need them to meet; errors as sentences.
#pragma once

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <foal/core/error.hpp>

namespace foal::transport {

/// A machine, by name or number, and a port there.
struct address {
  std::string host;
  int port = 0;
  std::string text() const { return host + ":" + std::to_string(port); }
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
  bool readable(deadline by) const {
    for (;;) {
      auto const left = std::chrono::duration_cast<std::chrono::milliseconds>(by - std::chrono::steady_clock::now()).count();
      pollfd one{number_, POLLIN, 0};
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
    return text.data();
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

/// What comes at once goes at once: messages are small, and others wait for them.
inline void send_at_once(socket const& s) {
  int const on = 1;
  ::setsockopt(s.number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/// Takes connections at this port; 0: any that is free. host: as addresses_of(). Throws foal::error.
inline socket listening(std::string const& host, int port) {
  std::string why;
  detail::addresses const all = detail::addresses_of(host, port, why);
  for (addrinfo const* one = all.get(); one != nullptr; one = one->ai_next) {
    socket s = detail::new_socket(*one);
    int const on = 1;
    if (s) ::setsockopt(s.number(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (s && ::bind(s.number(), one->ai_addr, one->ai_addrlen) == 0 && ::listen(s.number(), SOMAXCONN) == 0) return s;
    why = std::strerror(errno);
  }
  throw error(sentence("cannot wait for the other processes at port ", port, host.empty() ? "" : " of " + host,
                       ", because the system says '", why, "'; give a port that is free (FOAL_ADDRESS=host:port)"));
}

/// Nothing where none has come by then.
inline socket accepted(socket const& at, deadline by) {
  while (at.readable(by)) {
    socket s(::accept4(at.number(), nullptr, nullptr, SOCK_CLOEXEC));
    if (s) {
      send_at_once(s);
      return s;
    }
  }
  return socket();
}

/// Tries until then, for the other process may not be there yet. Nothing where it has not come; why: what the system says.
inline socket connected(address const& to, deadline by, std::string& why) {
  for (auto pause = std::chrono::milliseconds(1);; pause = std::min(2 * pause, std::chrono::milliseconds(200))) {
    detail::addresses const all = detail::addresses_of(to.host, to.port, why);
    for (addrinfo const* one = all.get(); one != nullptr; one = one->ai_next) {
      socket s = detail::new_socket(*one);
      if (s && ::connect(s.number(), one->ai_addr, one->ai_addrlen) == 0) {
        send_at_once(s);
        return s;
      }
      why = std::strerror(errno);
    }
    if (std::chrono::steady_clock::now() + pause > by) return socket();
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace foal::transport
