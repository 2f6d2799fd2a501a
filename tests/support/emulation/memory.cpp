#include "memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>
#include <sstream>

#include "flaws.hpp"

namespace foal::test::emulation {

namespace {

constexpr std::size_t reserve = std::size_t{1} << 40U;       // addresses, not memory
constexpr std::size_t device_bytes = std::size_t{8} << 30U;  // what a device has
constexpr std::size_t apart = 256;                           // alignment, and at least this much between blocks
constexpr std::size_t poisoned = std::size_t{1} << 20U;      // at either end: a workspace is 32 MiB

struct heap {
  std::mutex guard;
  std::byte* base = nullptr;
  std::size_t used = 0;
  std::map<std::byte const*, block> live;
  std::size_t in_use[most_devices] = {};
  bool reaches[most_devices][most_devices] = {};

  heap() {
    void* const all = mmap(nullptr, reserve, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    base = all == MAP_FAILED ? nullptr : static_cast<std::byte*>(all);
  }
};

heap& all() {
  static heap one;
  return one;
}
// Read at every access of a host thread: no guard of a static.
std::byte* const first = all().base;

}  // namespace

void* allocate(std::size_t bytes, int device, place where) {
  heap& h = all();
  std::lock_guard<std::mutex> const lock(h.guard);
  auto const page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  bool const on_device = where == place::device;
  if (bytes > device_bytes || (on_device && h.in_use[device] + bytes > device_bytes)) return nullptr;
  std::size_t const pages = (bytes + apart + page - 1) / page * page;
  if (h.base == nullptr || h.used + pages > reserve) return nullptr;
  std::byte* const at = h.base + h.used;
  if (mprotect(at, pages, PROT_READ | PROT_WRITE) != 0) return nullptr;
  h.used += pages;
  std::memset(at, 0xff, std::min(bytes, poisoned));
  std::memset(at + bytes - std::min(bytes, poisoned), 0xff, std::min(bytes, poisoned));
  h.live[at] = {at, bytes, device, where};
  if (on_device) h.in_use[device] += bytes;
  return at;
}

bool release(void* p, place where) {
  heap& h = all();
  std::lock_guard<std::mutex> const lock(h.guard);
  auto const found = h.live.find(static_cast<std::byte const*>(p));
  if (found == h.live.end() || found->second.where != where) return false;
  block const b = found->second;
  if (where == place::device) h.in_use[b.device] -= b.bytes;
  auto const page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::size_t const pages = (b.bytes + apart + page - 1) / page * page;
  mmap(b.begin, pages, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  h.live.erase(found);
  return true;
}

block find(void const* p) {
  heap& h = all();
  std::lock_guard<std::mutex> const lock(h.guard);
  auto const* const at = static_cast<std::byte const*>(p);
  auto after = h.live.upper_bound(at);
  if (after == h.live.begin()) return {};
  block const& b = std::prev(after)->second;
  return b.has(at, 1) || (b.bytes == 0 && at == b.begin) ? b : block{};
}

bool is_device_memory(void const* p) {
  auto const* const at = static_cast<std::byte const*>(p);
  return first != nullptr && at >= first && at < first + reserve;
}

bool reaches(int device, int other) { return device == other || all().reaches[device][other]; }
void let_reach(int device, int other) { all().reaches[device][other] = true; }

std::size_t in_use(int device) { return all().in_use[device]; }

bool check_range(char const* what, void const* p, std::size_t n, int device) {
  if (n == 0) return true;
  block const b = find(p);
  if (b.has(p, n) && (b.where == place::pinned || reaches(device, b.device))) return true;
  std::ostringstream out;
  out << what << " is no memory of device " << device << ": " << n << " bytes at " << described(p);
  report(out.str());
  return false;
}

std::string described(void const* p) {
  std::ostringstream out;
  out << p;
  block const b = find(p);
  if (b.where != place::nowhere)
    out << ", byte " << static_cast<std::byte const*>(p) - b.begin << " of a block of " << b.bytes << " bytes "
        << (b.where == place::pinned ? "of pinned host memory" : "of device ")
        << (b.where == place::pinned ? "" : std::to_string(b.device));
  else if (is_device_memory(p))
    out << ", in no block that is live";
  else
    out << ", which the host has";
  return out.str();
}

}  // namespace foal::test::emulation
