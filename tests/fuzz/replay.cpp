// Runs a fuzz target without libFuzzer, with any compiler: on the seeds given, and on seeded mutations of each.
//
// <target> MUTATIONS PATH...    PATH: a seed, or a folder of seeds; the same bytes at every run
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

namespace {

using bytes = std::vector<std::uint8_t>;

bytes read(std::filesystem::path const& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// An exact allocation, so that the address sanitizer sees the first byte read beyond the input.
void run(bytes const& input) {
  bytes const exact(input);
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

/// One to four changes: a bit, a byte of the kind that formats care about, a cut, a piece twice, a piece of another seed.
bytes mutated(bytes const& seed, std::vector<bytes> const& all, std::mt19937_64& random) {
  auto const below = [&random](std::size_t n) { return n == 0 ? std::size_t{0} : static_cast<std::size_t>(random() % n); };
  static constexpr std::uint8_t telling[] = {0, 1, 0x7f, 0x80, 0xff, '"', '\\', '\n', '{', '[', ':', ',', '-', '9'};
  bytes x = seed;
  for (std::size_t changes = 1 + below(4); changes > 0; --changes) {
    std::size_t const at = below(x.size() + 1);
    auto const place = x.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(5)) {
      case 0:
        if (at < x.size()) *place = static_cast<std::uint8_t>(*place ^ (1U << below(8)));
        break;
      case 1:
        if (at < x.size()) *place = telling[below(std::size(telling))];
        break;
      case 2:
        x.erase(place, x.begin() + static_cast<std::ptrdiff_t>(std::min(x.size(), at + 1 + below(16))));
        break;
      case 3: {
        bytes const piece(place, x.begin() + static_cast<std::ptrdiff_t>(std::min(x.size(), at + 1 + below(64))));
        x.insert(place, piece.begin(), piece.end());
        break;
      }
      default: {
        bytes const& other = all[below(all.size())];
        std::size_t const from = below(other.size() + 1), to = std::min(other.size(), from + 1 + below(64));
        x.insert(place, other.begin() + static_cast<std::ptrdiff_t>(from), other.begin() + static_cast<std::ptrdiff_t>(to));
      }
    }
  }
  return x;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "cannot replay, because %d arguments were given; give MUTATIONS PATH...\n", argc - 1);
    return 2;
  }
  long const mutations = std::strtol(argv[1], nullptr, 10);
  std::vector<std::filesystem::path> paths;
  for (int a = 2; a < argc; ++a) {
    if (std::filesystem::is_directory(argv[a]))
      for (auto const& entry : std::filesystem::directory_iterator(argv[a])) paths.push_back(entry.path());
    else
      paths.emplace_back(argv[a]);
  }
  std::sort(paths.begin(), paths.end());
  std::vector<bytes> seeds;
  for (auto const& path : paths) seeds.push_back(read(path));
  if (seeds.empty()) {
    std::fprintf(stderr, "cannot replay, because there is no seed; give at least one\n");
    return 2;
  }
  run({});
  for (bytes const& seed : seeds) run(seed);
  std::mt19937_64 random(1);
  for (long m = 0; m < mutations; ++m) run(mutated(seeds[static_cast<std::size_t>(m) % seeds.size()], seeds, random));
  std::printf("%zu seeds and %ld mutations, no finding\n", seeds.size(), mutations);
}
