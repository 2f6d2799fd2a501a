#include "flaws.hpp"

#include <mutex>
#include <utility>

namespace foal::test::emulation {

namespace {

constexpr std::size_t most = 20;
std::mutex guard;
std::vector<std::string> flaws;
std::uint64_t chosen = 1, state = 1;

}  // namespace

void report(std::string flaw) {
  std::lock_guard<std::mutex> const lock(guard);
  if (flaws.size() < most && (flaws.empty() || flaws.back() != flaw)) flaws.push_back(std::move(flaw));
}

std::vector<std::string> take_flaws() {
  std::lock_guard<std::mutex> const lock(guard);
  return std::exchange(flaws, {});
}

void seed(std::uint64_t value) { chosen = state = value; }
void choose_order(std::uint64_t number) { state = chosen + 1000 * number; }

std::uint64_t random_below(std::uint64_t n) {  // SplitMix64
  std::uint64_t z = state += 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
  return (z ^ (z >> 31U)) % n;
}

}  // namespace foal::test::emulation
