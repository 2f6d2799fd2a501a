// Copies of much memory, by as many threads as a run has: one core alone takes a part of what the memory gives.
#pragma once

#include <foal/core/config.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <system_error>
#include <thread>
#include <vector>

namespace foal::executor {

/// One array to copy, to where nothing else of them lies.
struct memory_copy {
  std::byte* to = nullptr;
  std::byte const* from = nullptr;
  std::size_t bytes = 0;
};

/// Makes all copies, and returns then. threads: the calling one too; where the system has no more there are fewer.
inline void copy_together(std::vector<memory_copy> const& all, int threads) {
  constexpr std::size_t piece = std::size_t{1} << 20U;
  std::vector<memory_copy> pieces;
  for (memory_copy const& c : all)
    for (std::size_t at = 0; at < c.bytes; at += piece)
      pieces.push_back({c.to + at, c.from + at, std::min(piece, c.bytes - at)});
  std::atomic<std::size_t> next{0};
  auto const work = [&] {
    for (std::size_t i = next++; i < pieces.size(); i = next++) std::memcpy(pieces[i].to, pieces[i].from, pieces[i].bytes);
  };
  std::vector<std::jthread> others;
  try {
    while (static_cast<int>(others.size()) + 1 < threads && others.size() + 1 < pieces.size()) others.emplace_back(work);
  } catch (std::system_error const&) {  // those there are do it
  }
  work();
}

}  // namespace foal::executor
