// The width of a terminal, without the macros that come with <sys/ioctl.h> (CTRL, ECHO, B0 ...).
#pragma once

#include <foal/core/config.hpp>

namespace foal::report {

#if defined(__linux__) && (defined(__x86_64__) || defined(__i386__) || defined(__aarch64__) || defined(__arm__) || \
                           (defined(__riscv) && __riscv_xlen == 64))
namespace detail {

/// ioctl under a name of its own: a second declaration of that name might not agree with the library's.
extern "C" int foal_report_ioctl(int, unsigned long, ...) noexcept __asm__("ioctl");

struct window_size {
  unsigned short rows = 0, columns = 0, width = 0, height = 0;
};
inline constexpr unsigned long asks_for_size = 0x5413;  // TIOCGWINSZ

}  // namespace detail

/// Columns of the terminal behind a descriptor; 0 where there is none, or it does not say.
inline int terminal_columns(int descriptor) {
  detail::window_size size;
  return detail::foal_report_ioctl(descriptor, detail::asks_for_size, &size) == 0 ? size.columns : 0;
}
#else
inline int terminal_columns(int) { return 0; }
#endif

}  // namespace foal::report
